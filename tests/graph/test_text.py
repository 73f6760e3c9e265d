import io

import pytest

from symc.graph.formula import (
    DefaultPrinter,
    FunctionPrinter,
    IgnorePrinter,
    LeafPrinter,
    OperatorPrinter,
    PatternPrinter,
    PPrinter,
    PrinterState,
    pp,
    pprint,
)
from symc.graph.graph import Graph
from symc.graph.node import Apply
from symc.graph.op import Op
from symc.graph.text import DebugprintInfo, debugprint
from tests.graph.toys import add, chain, constant, div_mod, half, neg, number


def text(obj, **options):
    return debugprint(obj, file="str", **options)


@pytest.fixture
def expression():
    x, y = number("x"), number("y")
    shared = add(x, y)
    return x, y, shared, add(shared, neg(shared))


class TestDebugprint:
    def test_tree(self, expression):
        assert text(expression[-1]) == (
            "Add [id A] ''   \n"
            " |Add [id B] ''   \n"
            " | |x [id C]\n"
            " | |y [id D]\n"
            " |Scale{factor=-1.0} [id E] ''   \n"
            "   |Add [id B] ''   \n"
        )

    def test_names_types_and_outputs(self):
        x = number("x")
        quotient, remainder = div_mod(x, constant(2))
        remainder.name = "rest"
        assert text(remainder, print_type=True) == (
            "DivMod.1 [id A] <Number> 'rest'   \n"
            " |x [id B] <Number>\n"
            " |Constant{2.0} [id C] <Number>\n"
        )
        assert text(quotient).startswith("DivMod.0 [id A] ''   \n")

    def test_depth(self, expression):
        assert text(expression[-1], depth=2) == (
            "Add [id A] ''   \n |Add [id B] ''   \n |Scale{factor=-1.0} [id C] ''   \n"
        )
        assert text(expression[-1], depth=0) == ""

    @pytest.mark.parametrize(
        ("ids", "shown"), [("int", "[id 0]"), ("CHAR", "[id A]"), ("", ""), ("id", None)]
    )
    def test_ids(self, ids, shown):
        x = number("x")
        shown = f"[id {id(x)}]" if shown is None else shown
        assert text(x, ids=ids) == f"x {shown}\n"

    def test_ids_beyond_z(self):
        lines = text([number(str(i)) for i in range(28)]).splitlines()
        assert lines[25:] == ["25 [id Z]", "26 [id BA]", "27 [id BB]"]

    def test_stop_on_name(self, expression):
        _, _, shared, out = expression
        shared.name = "sum"
        assert text(out, stop_on_name=True) == (
            "Add [id A] ''   \n"
            " |Add [id B] 'sum'   \n"
            " |Scale{factor=-1.0} [id C] ''   \n"
            "   |Add [id B] 'sum'   \n"
        )

    def test_lists_share_ids(self, expression):
        _, _, shared, out = expression
        lines = text([shared, out]).splitlines()
        assert lines[0] == "Add [id A] ''   "
        assert lines[4] == " |Add [id A] ''   "
        assert lines[5] == " |Scale{factor=-1.0} [id E] ''   "

    def test_done_and_used_ids_continue_an_earlier_call(self, expression):
        x, _, shared, _ = expression
        done, used = {}, {}
        text(shared, done=done, used_ids=used)
        assert text(shared, done=done, used_ids=used) == "Add [id A] ''   \n"
        assert text(neg(x), used_ids=used).endswith(" |x [id B]\n")

    def test_apply_prints_all_outputs(self):
        x = number("x")
        node = div_mod(x, x)[0].owner
        assert [line.split()[0] for line in text(node).splitlines()] == [
            "DivMod.0",
            "|x",
            "|x",
            "DivMod.1",
        ]

    def test_graph_has_positions_and_clients(self, expression):
        x, y, _, out = expression
        graph = Graph([x, y], [out])
        assert text(graph).splitlines()[0] == "Add [id A] ''   2"
        assert text(graph).splitlines()[1] == " |Add [id B] ''   0"
        lines = text(graph, print_clients=True).splitlines()
        assert lines[0] == "Add [id A] ''   2 clients:[('output', '')]"
        assert lines[1] == " |Add [id B] ''   0 clients:[('[id C]', 1), ('[id A]', 2)]"

    def test_protocol_of_compiled_functions(self, expression):
        x, _, shared, out = expression

        class Compiled:
            def debugprint_info(self):
                return DebugprintInfo(
                    [out],
                    order=[shared.owner, out.owner.inputs[1].owner, out.owner],
                    notes={shared.owner: "kernel 0", x: "destroyed"},
                    storage={shared: "slot 1"},
                )

        lines = text(Compiled(), print_storage=True).splitlines()
        assert lines[0] == "Add [id A] ''   2"
        assert lines[1] == " |Add [id B] ''   0 slot 1  kernel 0"
        assert lines[2] == " | |x [id C]  destroyed"
        assert "slot 1" not in text(Compiled())

    def test_maps(self):
        class InPlace(Op):
            __props__ = ()
            destroy_map = {0: [0]}
            view_map = {0: [0]}

            def make_node(self, x):
                return Apply(self, [x], [x.type()])

        y = InPlace()(number("x"))
        line = text(y, print_destroy_map=True, print_view_map=True).splitlines()[0]
        assert line == "InPlace [id A] '' d={0: [0]} v={0: [0]} "
        assert text(y).splitlines()[0] == "InPlace [id A] ''   "

    def test_inner_graphs(self):
        a = number("a")

        class Outer(Op):
            __props__ = ()
            inner_graph = Graph([a], [neg(a)])

            def make_node(self, x):
                return Apply(self, [x], [x.type()])

        outer = Outer()
        assert text(outer(outer(number("x")))) == (
            "Outer [id A] ''   \n"
            " |Outer [id B] ''   \n"
            "   |x [id C]\n"
            "\nInner graphs:\n"
            "\nOuter [id A]\n"
            " >Scale{factor=-1.0} [id D] ''   \n"
            " > |a [id E]\n"
            "\nOuter [id B]\n"
            " >Scale{factor=-1.0} [id D] ''   \n"
        )

    def test_where_it_goes(self, capsys):
        x = number("x")
        assert debugprint(x) is None
        assert capsys.readouterr().out == "x [id A]\n"
        stream = io.StringIO()
        assert debugprint(x, file=stream) is stream
        assert stream.getvalue() == "x [id A]\n"

    def test_wrong_arguments(self):
        x = number("x")
        with pytest.raises(TypeError, match="debugprint shows variables.*got 3"):
            debugprint(3)
        with pytest.raises(TypeError, match="depth must be an int"):
            debugprint(x, depth="all")
        with pytest.raises(ValueError, match="ids must be one of"):
            debugprint(x, ids="letters")
        with pytest.raises(ValueError, match="file must be a stream"):
            debugprint(x, file="out.txt")

    def test_deep_lines_stay_short(self):
        lines = text(chain(number("x"), 200)).splitlines()
        assert len(lines) == 201
        assert lines[60] == " " * 118 + " |Scale{factor=-1.0} [id CI] ''   "
        assert lines[61].startswith(" ~61~ ")
        assert lines[200] == " ~200~" + " " * 18 + " |x [id HS]"

    def test_long_chain(self):
        assert text(chain(number("x"))).count("\n") == 100_001


class Times(Op):
    __props__ = ()

    def make_node(self, x, y):
        return Apply(self, [x, y], [x.type()])


times = Times()


@pytest.fixture
def printers(monkeypatch):
    """The global table, emptied for a test."""
    monkeypatch.setattr(pprint, "printers", [])
    monkeypatch.setattr(pprint, "_by_op", {})
    monkeypatch.setattr(pprint, "_by_class", {})
    pprint.assign(add, OperatorPrinter("+", 0))
    pprint.assign(Times, OperatorPrinter("*", 1))
    pprint.assign(neg, OperatorPrinter("-", 2))


@pytest.mark.usefixtures("printers")
class TestFormulas:
    def test_brackets_as_theano_writes_them(self):
        x, y = number("x"), number("y")
        assert pp(times(x, add(y, neg(x)))) == "(x * (y + (-x)))"
        assert pp(x) == "x"
        assert pprint(add(x, y)) == "(x + y)"

    def test_only_the_brackets_needed(self):
        x, y = number("x"), number("y")

        def short(v):
            return pp(v, brackets="needed")

        assert short(times(x, add(y, neg(x)))) == "x * (y + -x)"
        assert short(add(times(x, y), x)) == "x * y + x"
        assert short(add(add(x, y), x)) == "x + y + x"
        assert short(add(x, add(y, x))) == "x + (y + x)"
        assert short(neg(add(x, y))) == "-(x + y)"

    def test_right_associative(self):
        pprint.assign(times, OperatorPrinter("^", 1, "right"))
        x = number("x")
        assert pp(times(x, times(x, x)), brackets="needed") == "x ^ x ^ x"
        assert pp(times(times(x, x), x), brackets="needed") == "(x ^ x) ^ x"

    def test_default_is_a_call(self):
        x = number("x")
        assert pp(half(add(x, constant(1)))) == "Scale{factor=0.5}((x + Constant{1.0}))"
        assert DefaultPrinter().process(half(x)) == "Scale{factor=0.5}(x)"
        assert LeafPrinter().process(x) == "x"

    def test_function_and_pattern(self):
        x, y = number("x"), number("y")
        pprint.assign(half, FunctionPrinter("half"))
        pprint.assign(div_mod, PatternPrinter("%(0)s div %(1)s", ("%(1)s%% of %(0)s", -1000, 0)))
        a, b = div_mod(add(x, y), y)
        assert pp(half(a)) == "half((x + y) div y)"
        assert pp(b, brackets="needed") == "y% of x + y"

    def test_ignore(self):
        pprint.assign(half, IgnorePrinter())
        x = number("x")
        assert pp(add(half(x), x), brackets="needed") == "x + x"

    def test_newest_condition_wins(self):
        x = number("x")
        pprint.assign(lambda state, v: v.name == "x", FunctionPrinterForLeaf("first"))
        pprint.assign(lambda state, v: v.name == "x", FunctionPrinterForLeaf("second"))
        assert pp(add(x, number("y"))) == "(second + y)"

    def test_op_before_class(self):
        pprint.assign(times, OperatorPrinter("x", 1))
        x = number("x")
        assert pp(times(x, x)) == "(x x x)"

    def test_printers_in_theanos_manner(self):
        class Old:
            def process(self, output, pstate):
                inner = pstate.pprinter.process(output.owner.inputs[0], pstate)
                return f"|{inner}|"

        pprint.assign(half, Old())
        assert pp(add(half(neg(number("x"))), constant(1))) == "(|(-x)| + Constant{1.0})"

    def test_wrong_use(self):
        x = number("x")
        with pytest.raises(TypeError, match="a condition is an op, an op class or a callable"):
            pprint.assign(3, DefaultPrinter())
        with pytest.raises(TypeError, match="x has no owner"):
            OperatorPrinter("+", 0).process(x)
        with pytest.raises(ValueError, match="assoc must be"):
            OperatorPrinter("+", 0, "both")
        with pytest.raises(TypeError, match="pp writes variables, got 3"):
            pp(3)
        with pytest.raises(ValueError, match="brackets must be"):
            pp(x, brackets="some")

    def test_long_chain(self):
        result = pp(chain(number("x")))
        assert result == "(-" * 100_000 + "x" + ")" * 100_000

    def test_exponential_text_is_broken_off(self):
        y = number("x")
        for _ in range(60):
            y = add(y, y)
        result = pp(y, max_chars=1000)
        assert result.endswith("...")
        assert len(result) < 1010

    def test_several(self):
        assert pp(number("x"), number("y")) == "x\ny"


class FunctionPrinterForLeaf(LeafPrinter):
    def __init__(self, shown):
        self.shown = shown

    def parts(self, output, pstate):
        yield self.shown


def test_a_table_of_ones_own():
    table = PPrinter()
    table.assign(neg, OperatorPrinter("~", 1))
    assert table(neg(number("x"))) == "(~x)"
    state = PrinterState(table, brackets="needed")
    assert table.process(neg(number("x")), state) == "~x"
