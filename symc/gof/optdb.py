"""Databases of optimizers, and how what is registered reaches the compiler.

`optdb` stands for the compiler's own phases: what is registered in ``optdb["canonicalize"]``, by
``register_canonicalize`` or with a position, becomes a rule or a pass of `symc.rewrite`, with its
tags; modes switch it by name or tag like any other.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..config import config
from ..errors import RewriteError
from ..graph.node import Apply
from ..graph.op import Op
from ..rewrite.rule import ANY, GraphPass, Rule, register, root_key, unregister
from ..rewrite.selection import PRESETS, Selection
from .local import FromFunctionLocalOptimizer, LocalOptimizer
from .opt import (
    EquilibriumOptimizer,
    LocalOptGroup,
    RuleOptimizer,
    SeqOptimizer,
    TopoOptimizer,
    replacements_of,
)

__all__ = [
    "DB",
    "EquilibriumDB",
    "LocalGroupDB",
    "ProxyDB",
    "Query",
    "SequenceDB",
    "TopoDB",
    "optdb",
]


class Query:
    """Which optimizers of a database are wanted, by tags.

    Parameters
    ----------
    include, require, exclude : iterable of str
        An optimizer is taken if it has one of `include`, all of `require` and none of `exclude`.
    subquery : dict of str to Query, optional
        For databases inside of a database, by name.
    position_cutoff : float, optional
        In a `SequenceDB` only what comes before.
    extra_optimizations : sequence, optional
        Pairs of optimizer and position, which are added.
    """

    def __init__(
        self,
        include: Iterable[str],
        require: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        subquery: dict[str, Query] | None = None,
        position_cutoff: float | None = None,
        extra_optimizations: Sequence[Any] | None = None,
    ) -> None:
        cutoff = float(config.optdb.position_cutoff) if position_cutoff is None else position_cutoff
        self.include = frozenset(include)
        self.require = frozenset(require or ())
        self.exclude = frozenset(exclude or ())
        self.subquery = dict(subquery or {})
        self.position_cutoff = cutoff
        self.extra_optimizations = list(extra_optimizations or ())

    @classmethod
    def of(cls, tags: Sequence[Any], subquery: dict[str, Query] | None = None) -> Query:
        """Return a query from texts such as ``"+fast_run"``, ``"-inplace"``, ``"&gpu"``."""
        if len(tags) == 1 and isinstance(tags[0], Query):
            return tags[0]
        chosen: dict[str, set[str]] = {"+": set(), "-": set(), "&": set()}
        for tag in tags:
            if not isinstance(tag, str) or tag[:1] not in chosen:
                raise TypeError(f"a query is a Query, or texts '+tag', '-tag', '&tag'; got {tag!r}")
            chosen[tag[0]].add(tag[1:])
        return cls(chosen["+"], chosen["&"], chosen["-"], subquery)

    def wants(self, tags: Iterable[str]) -> bool:
        """Tell whether an optimizer with these tags is taken."""
        marks = set(tags)
        return bool(marks & self.include) and self.require <= marks and not marks & self.exclude

    def including(self, *tags: str) -> Query:
        """Return a query for more."""
        return self._with(include=self.include | set(tags))

    def excluding(self, *tags: str) -> Query:
        """Return a query for less."""
        return self._with(exclude=self.exclude | set(tags))

    def requiring(self, *tags: str) -> Query:
        """Return a query for those only that have all these tags."""
        return self._with(require=self.require | set(tags))

    def register(self, *optimizations: Any) -> Query:
        """Return a query with more optimizers: pairs of optimizer and position."""
        return self._with(extra_optimizations=[*self.extra_optimizations, *optimizations])

    def _with(self, **changes: Any) -> Query:
        return Query(**{**vars(self), **changes})

    @property
    def selection(self) -> Selection:
        """The same choice among the compiler's own rules."""
        presets = sorted(self.include & set(PRESETS), key=lambda p: len(PRESETS[p]))
        made = Selection(presets[-1] if presets else "None")
        made = made.including(*(self.include - set(PRESETS))).excluding(*self.exclude)
        return made.requiring(*self.require)

    def __repr__(self) -> str:
        parts = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"Query({parts})"

    __str__ = __repr__


class DB:
    """Optimizers by name and tags."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._objects: dict[str, Any] = {}
        self._tags: dict[str, set[str]] = {}

    def register(self, name: str, obj: Any, *tags: str, **options: Any) -> None:
        """Add an optimizer or a database.

        Parameters
        ----------
        name : str
        obj : Optimizer, LocalOptimizer or DB
        *tags : str
            Its name and the name of its class are tags, too.

        Raises
        ------
        ValueError
            If the name is taken.
        """
        del options
        if name in self._objects:
            raise ValueError(f"the name {name!r} is taken in this database")
        if getattr(obj, "name", None) is None:
            obj.name = name
        self._objects[name] = obj
        self._tags[name] = {name, type(obj).__name__, *tags}

    def add_tags(self, name: str, *tags: str) -> None:
        """Add tags to what is registered by a name."""
        self[name]
        self._tags[name].update(tags)

    def remove_tags(self, name: str, *tags: str) -> None:
        """Remove tags from what is registered by a name."""
        self[name]
        self._tags[name].difference_update(tags)

    def __getitem__(self, name: str) -> Any:
        if name not in self._objects:
            known = ", ".join(sorted(self._objects)) or "nothing"
            raise KeyError(f"nothing is registered as {name!r}; known: {known}")
        return self._objects[name]

    def __contains__(self, name: object) -> bool:
        return name in self._objects

    def chosen(self, query: Query) -> list[tuple[str, Any]]:
        """Names and optimizers that a query takes, databases replaced by what they give."""
        found = []
        for name, obj in self._objects.items():
            sub = query.subquery.get(name)
            if isinstance(obj, DB):
                if sub is not None or query.wants(self._tags[name]):
                    found.append((name, obj.query(sub or query)))
            elif query.wants(self._tags[name]):
                found.append((name, obj))
        return found

    def query(self, *tags: Any, **subquery: Any) -> Any:
        """Return what a query takes, as one optimizer."""
        raise NotImplementedError(f"{type(self).__name__} does not define query")

    def print_summary(self, stream: Any = None) -> None:
        """Print names and tags."""
        stream = stream or sys.stdout
        print(f"{type(self).__name__} {self.name or ''}", file=stream)
        for name in self._objects:
            print(f"  {name} {sorted(self._tags[name])}", file=stream)


class EquilibriumDB(DB):
    """Gives an `EquilibriumOptimizer` of what is chosen.

    Parameters
    ----------
    ignore_newtrees, tracks_on_change_inputs : bool, optional
        Passed on.
    """

    def __init__(self, ignore_newtrees: bool = True, tracks_on_change_inputs: bool = False) -> None:
        super().__init__()
        self.ignore_newtrees = ignore_newtrees
        self.tracks_on_change_inputs = tracks_on_change_inputs
        self._role: dict[str, str] = {}

    def register(self, name: str, obj: Any, *tags: str, **options: Any) -> None:
        """Add an optimizer; ``final_opt=True`` or ``cleanup=True`` say when it is applied."""
        super().register(name, obj, *tags)
        role = [r for r in ("final_opt", "cleanup") if options.get(r)]
        if len(role) == 2:
            raise ValueError("an optimizer is a final or a cleanup one, not both")
        self._role[name] = role[0] if role else ""

    def query(self, *tags: Any, **subquery: Any) -> EquilibriumOptimizer:
        """Return an optimizer of what is chosen."""
        chosen = self.chosen(Query.of(tags, subquery))

        def having(role: str) -> list[Any]:
            return [obj for name, obj in chosen if self._role.get(name, "") == role]

        return EquilibriumOptimizer(
            having(""),
            ignore_newtrees=self.ignore_newtrees,
            tracks_on_change_inputs=self.tracks_on_change_inputs,
            final_optimizers=having("final_opt"),
            cleanup_optimizers=having("cleanup"),
        )


class SequenceDB(DB):
    """Gives a `SeqOptimizer` of what is chosen, by position."""

    def __init__(self, failure_callback: Callable[..., None] | None = None) -> None:
        super().__init__()
        self.failure_callback = failure_callback
        self._position: dict[str, float] = {}

    def register(self, name: str, obj: Any, *tags: Any, **options: Any) -> None:
        """Add an optimizer; the first of `tags` may be its position (default: last)."""
        position = options.get("position", "last")
        if tags and not isinstance(tags[0], str):
            position, *rest = tags
            tags = tuple(rest)
        super().register(name, obj, *tags)
        last = max(self._position.values(), default=0.0) + 1
        self._position[name] = last if position == "last" else float(position)

    def query(self, *tags: Any, **subquery: Any) -> SeqOptimizer:
        """Return an optimizer of what is chosen."""
        wanted = Query.of(tags, subquery)
        found = [(self._position[n], n, o) for n, o in self.chosen(wanted)]
        found += [(float(p), o.name or "", o) for o, p in wanted.extra_optimizations]
        found = [f for f in found if f[0] < wanted.position_cutoff]
        ordered = [obj for _, _, obj in sorted(found, key=lambda f: f[:2])]
        return SeqOptimizer(ordered, failure_callback=self.failure_callback)


class LocalGroupDB(SequenceDB):
    """Gives a `LocalOptGroup` of what is chosen, by position."""

    def query(self, *tags: Any, **subquery: Any) -> Any:
        """Return a local optimizer of what is chosen."""
        return LocalOptGroup(*super().query(*tags, **subquery))


class TopoDB(DB):
    """Gives a `TopoOptimizer` of what another database gives.

    Parameters
    ----------
    db : DB
        Of local optimizers.
    order : {"in_to_out", "out_to_in"}
    """

    def __init__(self, db: DB, order: str = "in_to_out", **options: Any) -> None:
        super().__init__()
        self.db, self.order, self.options = db, order, options

    def query(self, *tags: Any, **subquery: Any) -> TopoOptimizer:
        """Return an optimizer of what is chosen."""
        return TopoOptimizer(self.db.query(*tags, **subquery), self.order, **self.options)


class ProxyDB(DB):
    """A database by another name.

    Parameters
    ----------
    db : DB
    """

    def __init__(self, db: DB) -> None:
        super().__init__()
        self.db = db

    def query(self, *tags: Any, **subquery: Any) -> Any:
        """Return what the other one gives."""
        return self.db.query(*tags, **subquery)


# ---- the compiler's own phases

_ON_ALWAYS = ("fast_run", "fast_compile")


def register_rule(phase: str, lopt: Any, tags: Iterable[str] = (), name: str | None = None) -> None:
    """Make a local optimizer a rule of the compiler.

    Parameters
    ----------
    phase : str
        Of `symc.rewrite.selection.GRAPH_PHASES`.
    lopt : LocalOptimizer
    tags : iterable of str
    name : str, optional

    Raises
    ------
    ValueError
        If the name is taken.
    """
    if not isinstance(lopt, LocalOptimizer):
        raise TypeError(
            f"a local optimizer is needed, got {lopt!r}; decorate functions by local_optimizer"
        )
    title = name or lopt.name or type(lopt).__name__
    tracked = lopt.tracks()
    roots = tuple(dict.fromkeys([ANY] if tracked is None else map(_root, tracked)))
    file, line = _where(lopt)
    text = (inspect.getdoc(lopt) or "").partition("\n")[0] if _says_more(lopt) else str(lopt)
    marks = frozenset((phase, title, *tags))
    rule = Rule(title, (phase,), marks, roots, _rule_function(lopt), text, file, line)
    try:
        register(rule)
    except RewriteError as error:
        raise ValueError(str(error)) from error


def _says_more(lopt: Any) -> bool:
    return isinstance(lopt, FromFunctionLocalOptimizer) or type(lopt).__module__ != "symc.gof.local"


def _root(tracked: Any) -> Any:
    if isinstance(tracked, type):
        return tracked
    return root_key(tracked) if isinstance(tracked, Op) else type(tracked)


def _where(opt: Any) -> tuple[str, int]:
    """File and line of an optimizer's function, or of its class."""
    code = getattr(getattr(opt, "fn", None) or type(opt).transform, "__code__", None)
    return ("<unknown>", 0) if code is None else (code.co_filename, code.co_firstlineno)


class _Reader:
    """What a local optimizer may ask the graph while a rule runs: who reads a variable."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx

    def clients(self, variable: Any) -> list[tuple[Any, int]]:
        """Pairs of node and position; ``"output"`` stands for the end."""
        found: list[tuple[Any, int]] = []
        for node in self._ctx.clients(variable):
            if node is None:
                found.append(("output", 0))
                continue
            at = [i for i, v in enumerate(node.inputs) if v is variable]
            found.append((node, at[0] if at else 0))
        return found


def _rule_function(lopt: LocalOptimizer) -> Callable[[Apply, Any], Any]:
    """``transform`` as the function of a rule; ``node.fgraph`` and ``v.clients`` work in it."""

    def function(node: Apply, ctx: Any) -> Any:
        graph = _Reader(ctx)
        seen = [node, *node.inputs, *node.outputs]
        seen += [n for v in node.inputs if v.owner for n in (v.owner, *v.owner.inputs)]
        before = {id(item): item.__dict__.get("fgraph") for item in seen}
        for item in seen:
            item.__dict__["fgraph"] = graph
        try:
            result = lopt.transform(node)
        finally:
            for item in seen:
                item.__dict__["fgraph"] = before[id(item)]
                if before[id(item)] is None:
                    del item.__dict__["fgraph"]
        if result is False or result is None:
            return None
        pairs, _ = replacements_of(node, result, lopt)
        new = dict(pairs)
        foreign = [old for old in new if old not in node.outputs]
        if foreign:
            raise RewriteError(
                f"the optimizer {lopt} replaces {foreign[0]}, which is no output of {node.op}; "
                "a rule replaces the outputs of the node that it is asked about"
            )
        return [new.get(out) for out in node.outputs]

    return function


def register_pass(
    phase: str, opt: Any, tags: Iterable[str] = (), name: str | None = None
) -> None:
    """Make an optimizer of whole graphs a pass of the compiler, before the rules of a phase."""
    title = name or opt.name
    file, line = _where_class(opt)

    def function(outputs: Sequence[Any], ctx: Any) -> Any:
        return opt.rewritten(outputs)

    marks = frozenset((phase, title, *tags))
    text = (inspect.getdoc(opt) or "").partition("\n")[0]
    try:
        register(GraphPass(title, phase, marks, function, text, file, line))
    except RewriteError as error:
        raise ValueError(str(error)) from error


def _where_class(opt: Any) -> tuple[str, int]:
    code = getattr(getattr(opt, "fn", None) or type(opt).apply, "__code__", None)
    return ("<unknown>", 0) if code is None else (code.co_filename, code.co_firstlineno)


class PhaseDB(EquilibriumDB):
    """One of the compiler's phases as a database.

    Parameters
    ----------
    phase : str
    name : str
        Theano's name of it.
    """

    def __init__(self, phase: str, name: str) -> None:
        super().__init__()
        self.phase, self.name = phase, name

    def register(self, name: str, obj: Any, *tags: str, **options: Any) -> None:
        """Add a rule (a local optimizer) or a pass to the compiler.

        Raises
        ------
        ValueError
            If the name is taken, by one of the compiler's own rules for example.
        """
        add = register_rule if isinstance(obj, LocalOptimizer) else register_pass
        add(self.phase, obj, tags, name)
        super().register(name, obj, *tags, **options)

    def unregister(self, name: str) -> None:
        """Take back what has been registered; meant for interactive work and tests."""
        self[name]
        unregister(name)
        for table in (self._objects, self._tags, self._role):
            table.pop(name, None)

    def query(self, *tags: Any, **subquery: Any) -> Any:
        """Return the compiler's rules of this phase as an optimizer."""
        wanted = Query.of(tags, subquery).selection
        others = [p for p in _PHASES.values() if p != self.phase]
        return RuleOptimizer(wanted.excluding(*others), self.name)


_PHASES = {
    "canonicalize": "canonical",
    "stabilize": "stable",
    "specialize": "specialise",
    "specialize_device": "specialise",
    "uncanonicalize": "specialise",
    "BlasOpt": "blas",
    "scan_eqopt1": "scan",
}

# Up to which of Theano's positions something belongs to a phase.
_UP_TO = ((1.0, "canonical"), (1.5, "stable"), (1.7, "scan"), (1.9, "blas"))


class _CompilerDB(DB):
    """The database of the compiler: its phases, and what is registered with a position."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "optdb"
        for name, phase in _PHASES.items():
            super().register(name, PhaseDB(phase, name), *_ON_ALWAYS)

    def register(self, name: str, obj: Any, *tags: Any, **options: Any) -> None:
        """Add an optimizer; the first of `tags` may be its position, as in Theano.

        Positions up to 1 run before the canonical phase, up to 1.5 before the stable one, up to
        1.9 before loops and products are rewritten, all others before the last phase.
        """
        position = options.get("position", 2.0)
        if tags and not isinstance(tags[0], str):
            position, *rest = tags
            tags = tuple(rest)
        at = 2.0 if position == "last" else float(position)
        phase = next((p for limit, p in _UP_TO if at <= limit), "specialise")
        PhaseDB(phase, name).register(name, obj, *tags)
        super().register(name, obj, *tags)

    def unregister(self, name: str) -> None:
        """Take back what has been registered; meant for interactive work and tests."""
        self[name]
        unregister(name)
        del self._objects[name], self._tags[name]

    def query(self, *tags: Any, **subquery: Any) -> Any:
        """Return the compiler's rules that are chosen, as an optimizer for a `Mode`."""
        return RuleOptimizer(Query.of(tags, subquery).selection, "optdb")


optdb = _CompilerDB()


def register_in(database: str) -> Callable[..., Any]:
    """Return the decorator that registers in one of the compiler's phases.

    It takes a local optimizer and tags, or tags only and decorates then.
    """

    def decorate(lopt: Any, *tags: str, **options: Any) -> Any:
        if isinstance(lopt, str):
            return lambda inner: decorate(inner, lopt, *tags, **options)
        name = options.pop("name", None) or lopt.name or lopt.__name__
        optdb[database].register(name, lopt, *_ON_ALWAYS[:1], *tags, **options)
        return lopt

    decorate.__name__ = f"register_{database}"
    decorate.__doc__ = (
        f"Register a local optimizer in the phase {_PHASES[database]!r}.\n\n"
        "Parameters\n----------\nlopt : LocalOptimizer, or the first tag of a decorator\n"
        "*tags : str\n    Names by which modes switch it.\nname : str, optional"
    )
    return decorate


