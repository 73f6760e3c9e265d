"""Theano's names of phases and rewrites, and what does the same here.

`Selection` understands them, so ``mode.excluding("local_log_softmax")`` works. Names of rewrites
that have no equivalent, because there is nothing to rewrite, map to nothing: in-place rewrites are
decisions of the memory plan, ``inplace``; elementwise fusion is one of the lowering, ``fusion``.
"""

from __future__ import annotations

__all__ = ["ALIASES"]

_PHASES: dict[str, tuple[str, ...]] = {
    "canonicalize": ("canonical",),
    "stabilize": ("stable",),
    "specialize": ("specialise",),
    "specialize_device": ("specialise",),
    "uncanonicalize": ("specialise",),
    "BlasOpt": ("blas",),
    "elemwise_fusion": ("fusion",),
    "local_elemwise_fusion": ("fusion",),
    "composite_elemwise_fusion": ("fusion",),
    "inplace_elemwise_opt": ("inplace",),
    "inplace_elemwise_optimizer": ("inplace",),
    "inplace_opt": ("inplace",),
    "InplaceBlasOpt": ("inplace",),
    "local_inplace_setsubtensor": ("inplace",),
    "local_inplace_incsubtensor1": ("inplace",),
    "MergeOptimizer": ("merge",),
    "merge1": ("merge",),
    "merge2": ("merge",),
    "merge3": ("merge",),
}

_STRUCTURE: dict[str, tuple[str, ...]] = {
    "topo_constant_folding": ("constant_folding",),
    "local_view_op": ("gradient_control",),
    "local_useless_switch": ("useless_switch", "nested_switch"),
    "local_merge_switch_same_cond": ("operation_on_switches",),
    "local_mul_switch_sink": ("product_with_masked_factor",),
    "local_div_switch_sink": ("product_with_masked_factor",),
    "ShapeOpt": ("length_from_facts", "shape_of_lengths"),
    "local_shape_to_shape_i": ("shape_of_lengths",),
    "local_track_shape_i": ("length_from_facts",),
}

_ARITHMETIC: dict[str, tuple[str, ...]] = {
    "local_add_canonizer": ("canonical_sum",),
    "local_mul_canonizer": ("canonical_product",),
    "local_neg_to_mul": ("canonical_product",),
    "local_inv_canon": ("canonical_product",),
    "local_pow_canonicalize": ("canonical_product", "power_of_one"),
    "local_mul_zero": ("canonical_product",),
    "local_intdiv_by_one": ("division_by_one",),
    "local_zero_div": ("canonical_product", "division_by_one"),
    "local_greedy_distributor": ("product_over_sum",),
    "local_abs_lift": ("abs_of_sign",),
    "local_cast_cast": ("cast_of_cast",),
    "local_func_inv": ("inverse_of_function",),
    "local_0_dot_x": ("dot_with_zero",),
    "local_lift_transpose_through_dot": ("transpose_of_dot",),
    "local_useless_elemwise": (
        "comparison_with_itself",
        "operation_on_one_operand",
        "truth_with_constant",
        "useless_cast",
    ),
    "local_useless_elemwise_comparison": ("comparison_with_itself", "comparison_of_length"),
    "local_add_specialize": ("sum_with_zero",),
    "local_mul_specialize": ("product_with_one",),
    "local_pow_specialize": ("power_as_products", "power_of_half"),
    "local_pow_specialize_device": ("power_as_products",),
    "local_mul_to_sqr": ("product_with_itself",),
    "local_div_to_inv": ("quotient_of_one",),
    "local_neg_neg": ("negative_of_negative",),
    "local_neg_div_neg": ("negative_of_negative",),
    "local_elemwise_sub_zeros": ("canonical_sum",),
    "local_max_to_min": ("extreme_of_negative",),
}

_SHAPES: dict[str, tuple[str, ...]] = {
    "local_fill_sink": ("fill_sink",),
    "local_useless_fill": ("useless_fill",),
    "local_fill_to_alloc": ("fill_to_alloc",),
    "local_elemwise_alloc": ("elemwise_of_alloc",),
    "local_alloc_elemwise": ("elemwise_of_alloc",),
    "local_alloc_unary": ("unary_of_alloc",),
    "local_useless_alloc": ("useless_alloc",),
    "local_canonicalize_alloc": ("useless_alloc",),
    "local_merge_alloc": ("alloc_of_alloc",),
    "local_dimshuffle_lift": (
        "dimshuffle_of_elemwise",
        "dimshuffle_of_dimshuffle",
        "useless_dimshuffle",
    ),
    "local_alloc_dimshuffle": ("dimshuffle_of_alloc",),
    "local_dimshuffle_alloc": ("dimshuffle_of_alloc",),
    "local_useless_rebroadcast": ("useless_rebroadcast",),
    "local_reshape_chain": ("reshape_of_reshape",),
    "local_useless_reshape": ("useless_reshape",),
    "local_reshape_to_dimshuffle": ("reshape_to_dimshuffle",),
    "local_join_1": ("join_of_one",),
    "local_join_empty": ("join_of_empty",),
    "local_join_make_vector": ("join_of_vectors_of_scalars",),
    "local_useless_split": ("split_into_one",),
    "local_useless_reduce": ("reduction_over_no_axis",),
    "local_reduce_broadcastable": ("reduction_over_short_axes",),
    "local_reduce_join": ("reduction_of_join",),
    "local_op_of_op": ("reduction_of_reduction",),
    "local_sum_prod_div_dimshuffle": ("sum_of_scaled",),
    "local_sum_prod_mul_by_scalar": ("sum_of_scaled",),
    "local_opt_alloc": ("reduction_of_constant",),
}

_INDICES: dict[str, tuple[str, ...]] = {
    "local_subtensor_make_vector": ("element_of_vector",),
    "local_subtensor_inc_subtensor": ("read_of_write",),
    "local_subtensor_remove_broadcastable_index": ("index_of_short_axis",),
    "local_subtensor_lift": ("index_of_elemwise",),
    "local_subtensor_merge": ("index_of_index",),
    "local_subtensor_of_alloc": ("slice_of_alloc",),
    "local_subtensor_of_dot": ("index_of_dot",),
    "local_useless_slice": ("useless_slice",),
    "local_useless_subtensor": ("useless_slice",),
    "local_useless_inc_subtensor": ("write_of_everything",),
    "local_useless_inc_subtensor_alloc": ("write_of_filled_values",),
    "local_set_to_inc_subtensor": ("write_of_own_part",),
    "local_incsubtensor_of_zeros": ("increment_by_zero",),
    "local_setsubtensor_of_constants": ("write_of_own_part",),
    "local_IncSubtensor_serialize": ("sum_with_scatter",),
}

_STABILITY: dict[str, tuple[str, ...]] = {
    "local_log1p": ("log_of_one_plus", "log_of_one_minus"),
    "local_expm1": ("exp_minus_one", "one_minus_exp"),
    "local_log_add": ("log_of_several_exponentials",),
    "local_log_sum_exp": ("log_of_sum_of_exponentials",),
    "local_one_plus_erf": ("one_plus_erf",),
    "local_one_minus_erf": ("one_minus_erf",),
    "local_one_minus_erf2": ("one_minus_erf",),
    "local_one_plus_neg_erf": ("one_minus_erf",),
    "local_erf_minus_one": ("erf_minus_one",),
    "local_one_minus_erfc": ("one_minus_erfc",),
    "local_one_add_neg_erfc": ("one_minus_erfc",),
    "local_erf_neg_minus_one": ("erfc_minus_one",),
    "local_log_erfc": ("log_of_erfc",),
    "local_grad_log_erfc_neg": ("gaussian_over_erfc",),
    "logsigm_to_softplus": ("log_of_sigmoid",),
    "log1msigm_to_softplus": ("log1p_of_minus_sigmoid",),
    "log1pexp_to_softplus": ("log1p_of_exp",),
    "log1p_neg_sigmoid": ("log1p_of_minus_sigmoid",),
    "local_exp_over_1_plus_exp": ("exp_over_one_plus_exp", "quotient_by_one_plus_exp"),
    "local_inv_1_plus_exp": ("inverse_of_one_plus_exp", "quotient_by_one_plus_exp"),
    "local_sigm_times_exp": ("sigmoid_times_exp", "sigmoid_of_minus_times_exp"),
    "local_1msigmoid": ("one_minus_sigmoid",),
    "local_logsoftmax": ("log_of_softmax", "log_of_picked_softmax"),
    "local_log_softmax": ("log_of_softmax", "log_of_picked_softmax"),
    "local_advanced_indexing_crossentropy_onehot": ("crossentropy_of_picked_log_softmax",),
    "crossentropy_to_crossentropy_with_softmax": ("crossentropy_of_picked_log_softmax",),
    "crossentropy_to_crossentropy_with_softmax_with_bias": ("crossentropy_of_picked_log_softmax",),
    "local_argmax_pushdown": ("argmax_of_softmax",),
}

_PRODUCTS: dict[str, tuple[str, ...]] = {
    "gemm_optimizer": ("gemm_of_sum",),
    "GemmOptimizer": ("gemm_of_sum",),
    "local_gemm_to_gemv": ("dot_with_column",),
    "local_dot22_to_ger_or_gemv": ("dot_with_column", "dot_over_short_axis"),
}

ALIASES: dict[str, tuple[str, ...]] = {
    **_PHASES,
    **_STRUCTURE,
    **_ARITHMETIC,
    **_SHAPES,
    **_INDICES,
    **_STABILITY,
    **_PRODUCTS,
}
"""From a name of Theano's to the names of phases, tags and rules that do the same."""
