"""Claims: judged right on results made up for and against them; made once, resumed, and told by the command line."""

import json
from itertools import combinations

import numpy as np
import pytest

from claim_results import WRONG, as_expected, result
from gdbias import sims
from gdbias.figures.cli import command
from gdbias.figures.cli.effect import require_effect
from gdbias.figures.reproduction import drawing
from gdbias.sims import Status
from gdbias.sims.claims import Claim, Expectation, Verdict, claims, reproduce
from gdbias.sims.claims.clock import stopwatch
from gdbias.sims.claims.judgement import judge
from gdbias.sims.claims.protocols import DeepRuns, DiagonalRuns
from gdbias.theory import InputError

KNOWN = claims()
every_claim = pytest.mark.parametrize("claim", KNOWN.values(), ids=KNOWN)


def expected(claim):
    return as_expected(claim.id, len(claim.quick))


@every_claim
def test_a_claim_holds_where_everything_is_as_it_says(claim):
    judged = judge(claim, expected(claim))
    assert judged.verdict == Verdict.HOLDS, [finding for finding in judged.findings if not finding.holds]


@every_claim
def test_every_expectation_can_fail_and_all_together(claim):
    good = expected(claim)
    wrong = [judge(claim, change(good)).findings for change in WRONG]
    for i, expectation in enumerate(claim.expectations):
        values = [found[i] for found in wrong]
        assert any(np.isfinite(f.value) and not f.holds for f in values), expectation.label
    changes = [good]
    for size in (1, 2, 3):
        changes = [list(combo) for combo in combinations(WRONG, size)]
        if any(judge(claim, _all(good, chosen)).verdict == Verdict.FAILS for chosen in changes):
            return
    pytest.fail("nothing makes the claim fail as a whole")


def _all(runs, changes):
    for change in changes:
        runs = change(runs)
    return runs


@every_claim
def test_too_few_runs_decide_nothing(claim):
    none = [ds.assign(status=("lr", np.full(ds.lr.size, int(Status.DIVERGED)))) for ds in expected(claim)]
    told_by_flow = {"DIA-1"}  # and by the minimisers alone
    assert judge(claim, none).verdict == (Verdict.HOLDS if claim.id in told_by_flow else Verdict.UNDECIDED)


def test_verdicts_follow_from_findings():
    ones = [result()]
    value = Expectation("a", lambda runs: 1.0, 0.5, 2.0)
    wrong, unknown = Expectation("b", lambda runs: 3.0, high=2.0), Expectation("c", lambda runs: np.nan, low=0)
    for expectations, verdict in (
        ((value,), Verdict.HOLDS), ((value, wrong), Verdict.PARTLY), ((wrong,), Verdict.FAILS),
        ((value, unknown), Verdict.UNDECIDED),
    ):  # fmt: skip
        assert judge(Claim("X-1", "x.", expectations, ()), ones).verdict == verdict


def test_a_name_is_one_protocol():
    runs = [one for claim in KNOWN.values() for one in (*claim.quick, *claim.full)]
    specs = {one.name: one.spec for one in runs}
    assert all(specs[one.name] == one.spec for one in runs)
    assert all(len(one.lr) >= 8 for claim in KNOWN.values() for one in claim.full if isinstance(one, DeepRuns))


@pytest.mark.parametrize("full", [False, True])
def test_commands_make_what_the_protocols_say(full):
    deep = {one.name: one for claim in KNOWN.values() for one in claim.runs(not full) if isinstance(one, DeepRuns)}
    for one in deep.values():
        verb = command.read_arguments(one.command.split()[1:])
        assert (verb.network, verb.options) == (one.network, one.options)
        require_effect(verb.network, {"base_width": ("mup",)}, verb.network.parameterization)
        assert (verb.images.data, verb.images.train, verb.images.test) == (one.data, one.train, one.test)
        assert tuple(map(float, verb.lr.split(","))) == one.lr and verb.relative


RUNS = DiagonalRuns("one", "power(2)", dict(kind="single_point", x=[1.0, 0.5], y=1.0), (0.5, 0.9, 1.1, 1.2))
LEAST = Expectation("steps", lambda runs: float(runs[0]["steps"].min()), low=1)
MINE = {id: Claim(id, "It takes steps.", (LEAST,), (RUNS,)) for id in ("MY-1", "MY-2")}


def test_runs_are_made_once_and_read_again(tmp_path):
    told = []
    made = reproduce(quick=True, folder=tmp_path, known=MINE, tell=told.append)
    assert [one.verdict for one in made.values()] == [Verdict.HOLDS] * 2
    assert sum(line.startswith("one:") for line in told) == 1
    assert [file.name for file in made.folder.iterdir()] == ["one.json"]
    told.clear()
    again = reproduce("MY-2", quick=True, folder=tmp_path, known=MINE, tell=told.append)
    assert told == ["MY-2: holds"]
    assert list(again) == ["MY-2"] and again["MY-2"].findings == made["MY-2"].findings
    ds = again.results("MY-2")["one"]
    np.testing.assert_allclose(ds.lr / ds.lr_critical, RUNS.lr, rtol=1e-5)
    direct = sims.flow(sims.rebuild(ds)[0][0], RUNS.data(), RUNS.init_scale)
    assert ds.lr_critical == pytest.approx(float(direct.lr_critical)) and ds.flow_sharpness == direct.sharpness


def test_files_of_another_protocol_are_not_taken(tmp_path):
    reproduce("MY-1", quick=True, folder=tmp_path, known=MINE)
    other = DiagonalRuns("one", "power(2)", RUNS.problem, (0.5, 1.1))
    with pytest.raises(InputError, match="another protocol"):
        reproduce(quick=True, folder=tmp_path, known={"MY-1": Claim("MY-1", "x.", (LEAST,), (other,))})
    (tmp_path / "quick" / "one.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        reproduce(quick=True, folder=tmp_path, known=MINE)


def test_runs_that_cannot_be_made_leave_the_others(tmp_path):
    bad = DiagonalRuns("bad", "power(0)", RUNS.problem)
    made = reproduce(quick=True, folder=tmp_path, known={"NO-1": Claim("NO-1", "x.", (LEAST,), (bad,))} | MINE)
    assert made["NO-1"].verdict == Verdict.UNDECIDED and made["NO-1"].broke.startswith("bad: ")
    assert made["MY-1"].verdict == Verdict.HOLDS


@pytest.mark.parametrize("name", ["DAI-1", "nothing", []])
def test_unknown_claims_are_refused(name):
    with pytest.raises(InputError, match="unknown claim|chooses no claim"):
        reproduce(name, quick=True)


def test_seconds_add_up_over_calls_that_were_killed(tmp_path):
    note = tmp_path / "note"
    note.write_text("100")
    with stopwatch(note, every=0.01) as spent:
        first = spent()
        while float(note.read_text()) == 100 or spent() < first + 0.1:
            sum(range(1000))
        assert 100 < float(note.read_text()) <= spent()
    with stopwatch(note) as spent:
        assert spent() > first + 0.1


def test_the_command_tells_verdicts_and_leaves_results_pictures_and_a_page(tmp_path, capsys):
    out, page = tmp_path / "out", tmp_path / "page.html"
    command.main(["reproduce", "--only", "dia-1", "--only", "ASK-2", "--quick", "--out", str(out), "--html", str(page)])
    assert "2 claims: 2 holds" in capsys.readouterr().out
    assert {file.name for file in (out / "quick").glob("*.png")} == {"DIA-1.png", "ASK-2.png"}
    assert page.read_text().count("data:image/svg+xml") == 2
    command.main(["reproduce", "--only", "DIA-1", "--quick", "--out", str(out), "--json"])
    [one] = json.loads(capsys.readouterr().out)["claims"]
    assert one["verdict"] == "holds" and len(one["findings"]) == 2
    command.main(["reproduce", "--list", "--json"])
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == list(KNOWN)


def test_a_picture_holds_the_ends_of_converged_runs():
    ds = result()
    ds["status"][-1] = int(Status.DIVERGED)
    figure = drawing.picture({"made up": ds})
    sharpness, norm, risk = (next(line for line in axes.lines if line.get_gid() == "made up") for axes in figure.axes)
    x = (ds.lr / ds.lr_critical).values
    for line, values in (
        (sharpness, np.minimum(1, 1 / x)), (norm, ds.theta_l1 / 100), (risk, ds.test_risk / ds.flow_test_risk),
    ):  # fmt: skip
        np.testing.assert_allclose(line.get_xdata(), x)
        np.testing.assert_allclose(line.get_ydata()[:-1], values[:-1])
        assert np.isnan(line.get_ydata()[-1])


def test_a_sweep_under_way_of_another_protocol_is_not_taken(tmp_path):
    (tmp_path / "quick" / "one.zarr").mkdir(parents=True)

    class Under(DiagonalRuns):
        def make(self, store, progress=False):
            raise InputError("store holds another spec")

    other = Under("one", "power(2)", RUNS.problem)
    with pytest.raises(InputError, match="not of these runs"):
        reproduce(quick=True, folder=tmp_path, known={"MY-1": Claim("MY-1", "x.", (LEAST,), (other,))})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder"):
        reproduce(quick=True, folder=tmp_path / "file", known=MINE)
