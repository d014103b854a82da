import pytest

from apps.common.tracing import Trace, begun, continued

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{ID}-{SPAN}-01"


def from_headers(*parents: str, states: tuple[str, ...] = ()) -> Trace:
    pairs = [("traceparent", parent) for parent in parents] + [("tracestate", state) for state in states]
    return continued([(name.encode(), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.parametrize(
    ("parent", "is_sampled"),
    [
        (GOOD, True),
        (f"  {GOOD} ", True),
        (f"00-{ID}-{SPAN}-00", False),
        (f"00-{ID}-{SPAN}-02", False),
        (f"00-{ID}-{SPAN}-ff", True),
        (f"01-{ID}-{SPAN}-01", True),
        (f"cc-{ID}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_a_trace_goes_on(parent: str, is_sampled: bool) -> None:
    assert from_headers(parent) == Trace(ID, is_sampled, parent=SPAN)


BAD: dict[str, tuple[str, ...]] = {
    "none": (),
    "two": (GOOD, GOOD),
    "empty": ("",),
    "upper case": (GOOD.upper(),),
    "a trace of zeros": (f"00-{'0' * 32}-{SPAN}-01",),
    "a span of zeros": (f"00-{ID}-{'0' * 16}-01",),
    "version ff": (f"ff-{ID}-{SPAN}-01",),
    "more than version 00 has": (f"{GOOD}-more",),
    "more without a dash": (f"01-{ID}-{SPAN}-01more",),
    "a short trace": (f"00-{ID[1:]}-{SPAN}-01",),
    "a long trace": (f"00-{ID}0-{SPAN}-01",),
    "a short span": (f"00-{ID}-{SPAN[1:]}-01",),
    "no flags": (f"00-{ID}-{SPAN}",),
    "flags that are none": (f"00-{ID}-{SPAN}-0x",),
    "other separators": (GOOD.replace("-", "_"),),
    "no version": (f"{ID}-{SPAN}-01",),
    "a list": (f"{GOOD},{GOOD}",),
    "not hexadecimal": (f"00-{'g' * 32}-{SPAN}-01",),
    "beyond ASCII": (f"00-{'ä' * 32}-{SPAN}-01",),
}


@pytest.mark.parametrize("parents", BAD.values(), ids=BAD.keys())
def test_anything_else_begins_a_new_trace(parents: tuple[str, ...]) -> None:
    trace = from_headers(*parents, states=("vendor=1",))

    assert trace.id != ID
    assert (len(trace.id), trace.state) == (32, "")


STATES: dict[str, tuple[tuple[str, ...], str]] = {
    "none": ((), ""),
    "one": (("vendor=1",), "vendor=1"),
    "of a tenant": (("fw529a3039@dt=FfAAA",), "fw529a3039@dt=FfAAA"),
    "several headers": (("a=1", "b=2 , c=3"), "a=1,b=2,c=3"),
    "empty members": (("a=1,, ,b=2",), "a=1,b=2"),
    "32 members": ((",".join(f"k{n}=v" for n in range(32)),), ",".join(f"k{n}=v" for n in range(32))),
    "33 members": ((",".join(f"k{n}=v" for n in range(33)),), ""),
    "longer than 512": ((f"a={'x' * 250},b={'y' * 250},c={'z' * 20}",), f"a={'x' * 250},b={'y' * 250}"),
    "no value": (("a",), ""),
    "no key": (("=1",), ""),
    "upper case key": (("A=1",), ""),
    "a control character": (("a=\x01",), ""),
    "beyond ASCII": (("a=ä",), ""),
    "two equals signs": (("a=b=c",), ""),
}


@pytest.mark.parametrize(("states", "kept"), STATES.values(), ids=STATES.keys())
def test_a_state_is_carried_along_within_bounds(states: tuple[str, ...], kept: str) -> None:
    assert from_headers(GOOD, states=states).state == kept


def test_each_request_within_a_trace_is_a_step_of_its_own() -> None:
    trace = from_headers(GOOD, states=("a=1",))

    first, second = trace.headers(), trace.headers()

    assert first["traceparent"] != second["traceparent"] != GOOD
    assert {headers["traceparent"][:36] for headers in (first, second)} == {f"00-{ID}-"}
    assert first["tracestate"] == "a=1"
    assert continued([(b"traceparent", first["traceparent"].encode())])[:2] == (ID, True)


def test_a_new_trace_has_no_state() -> None:
    assert "tracestate" not in begun().headers()
