"""Which table a file holds; and a proposal opened again gives what the ready mapping gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from relkit.cli import main
from relkit.data.contracts import TABLES
from relkit.data.profiles import profile_columns
from relkit.data.proposal import propose_mapping, propose_source, write_proposal
from relkit.data.sampling import read_sample
from relkit.data.sources import open_source
from relkit.data.table_proposal import certainty, guess_tables
from relkit.data.world_files import write_world
from relkit.errors import ParameterError, SourceError

FIXTURES = Path(__file__).parent / "fixtures"
READY = Path(__file__).parents[2] / "params/sources"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "w"
    return write_world(folder, customers=150, seed=2, faults=None, csv=True)


def seen(path):
    return guess_tables(profile_columns(read_sample(path)))


@pytest.mark.parametrize("table", TABLES)
def test_every_table_of_the_world_is_clear_by_its_columns(world, table):
    guesses = seen(world.folder / f"data/{table}.csv")
    assert (guesses[0].table, guesses[0].missing, certainty(guesses)) == (table, (), "clear")


@pytest.mark.slow
def test_the_worlds_own_files_open_as_its_own_mapping_does(world, project):
    files = [world.folder / f"data/{table}.csv" for table in TABLES]
    place, proposal = write_proposal(files, project, Path("params/sources/made.yaml"))
    assert set(proposal.tables) == set(TABLES)
    assert proposal.clear
    made, own = open_source(place), open_source(world.source)
    for table in TABLES:
        account, expected = made.account_of(table), own.account_of(table)
        assert (account.read, account.used) == (expected.read, expected.used)
        theirs = own.table(table)
        assert set(made.table(table).columns) >= set(theirs.columns)
        if table in ("transactions", "touches", "tickets"):
            rows = [
                each.table(table).select(theirs.columns).order_by(theirs.columns[0]).execute()
                for each in (made, own)
            ]
            assert rows[0].equals(rows[1])


@pytest.mark.parametrize(
    ("header", "row", "table"),
    [
        ("客户编号,触达时间,渠道,是否打开", "1,2025-01-02,微信,是", "touches"),
        ("工单号,客户编号,创建时间,解决时间,工单类型", "9,1,2025-01-02,,投诉", "tickets"),
        ("客户编号,评分,问卷类型,发放时间,反馈内容", "1,9,NPS,2025-01-02,好", "feedback"),
        ("客户编号,姓名,手机号,生日,地区", "1,王芳,13800000000,1990-01-02,北京", "customers"),
        ("合同号,客户编号,开始日期,到期日期,年金额,合同状态", "1,1,2025-01-01,2026-01-01,9,续约",
         "contracts"),
        ("实验编号,客户编号,分组,分组时间", "e,1,A,2025-01-01", "assignments"),
        ("推荐人,被推荐人,推荐时间", "1,2,2025-01-01", "referrals"),
        ("客户编号,阶段,进入时间", "1,试用,2025-01-01", "stages"),
        ("客户编号,日期,事件,次数", "1,2025-01-01,登录,3", "engagement"),
        ("员工编号,姓名,职位,周工时", "1,李雷,顾问,40", "owners"),
        ("user_id,experiment,variant,assigned_at", "1,e,B,2025-01-01", "assignments"),
        ("case number,account id,created at,closed at,case type", "1,1,2025-01-02,,Problem",
         "tickets"),
        ("客户编号,下单时间,金额", "1,2025-01-02,5", "transactions"),
    ],
)  # fmt: skip
def test_names_in_english_and_chinese(project, header, row, table):
    file = project / "data/x.csv"
    file.write_text(f"{header}\n{row}\n", encoding="utf-8")
    proposal = propose_mapping(file, "data/x.csv")
    assert proposal.tables == (table,)


FIXTURE_PAIRS = {
    "hubspot": ({"deals": "hubspot_deals", "activities": "hubspot_activities"}, "touches"),
    "zendesk": ({"orders": "zendesk_orders", "tickets": "zendesk_tickets"}, "tickets"),
    "salesforce_tasks": (
        {"opportunities": "salesforce_opportunities", "tasks": "salesforce_tasks"}, "touches",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIXTURE_PAIRS)
def test_exports_of_crms_open_as_their_ready_mappings_do(project, name):
    exports, table = FIXTURE_PAIRS[name]
    for place, fixture in exports.items():
        (project / f"data/{place}.csv").write_bytes((FIXTURES / f"{fixture}.csv").read_bytes())
    files = [project / f"data/{place}.csv" for place in exports]
    made, proposal = write_proposal(files, project)
    # What only the analyst knows: where a day is a day, and words of their own.
    answers = "time_zone: Europe/Berlin\n"
    assert all("time_zone" in point or "words" in point for point in proposal.open_points)
    made.write_text(made.read_text() + answers)
    ready = project / f"params/sources/{name}_ready.yaml"
    ready.write_text((READY / f"{name}.yaml").read_text())
    ours, theirs = (
        open_source(path.relative_to(project), max_set_aside=0.7) for path in (made, ready)
    )
    assert ours.account.used == theirs.account.used
    columns = theirs.table(table).columns
    left, right = (
        source.table(table).select(columns).order_by(columns[0]).execute()
        for source in (ours, theirs)
    )
    if name == "zendesk":
        # Instagram and an empty type are the shop's own words; the rest is the same.
        shared = left[columns[0]].isin(right[columns[0]])
        assert shared.all()
        right = right[right[columns[0]].isin(left[columns[0]])].reset_index(drop=True)
    assert left.equals(right)


def test_a_shop_export_opens_once_the_open_points_are_answered(project):
    file = project / "data/orders_export_1.csv"
    file.write_bytes((FIXTURES / "shopify.csv").read_bytes())
    made, proposal = write_proposal(file, project)
    assert sorted(point.split(":")[0] for point in proposal.open_points) == [
        "currency", "time_zone",
    ]  # fmt: skip
    text = made.read_text().replace("# currency: EUR", "currency: EUR")
    made.write_text(text + "time_zone: Europe/Berlin\n")
    source = open_source(made.relative_to(project), max_set_aside=0.7)
    assert source.transactions.order_by("transaction_id").execute()["transaction_id"].tolist() == [
        "#1001", "#1002", "#1003",
    ]  # fmt: skip


def test_what_else_it_might_be_is_said_and_can_be_chosen(project):
    file = project / "data/x.csv"
    file.write_text("customer_id,field,date,value\n1,industry,2025-01-02,retail\n")
    proposal = propose_mapping(file, "data/x.csv")
    (seems,) = proposal.seems
    assert proposal.tables[0] in ("interviews", "survey_values")
    assert "interviews" in seems
    assert "survey_values" in seems
    assert "--table NAME says which" in seems
    chosen = propose_mapping(file, "data/x.csv", "interviews")
    assert chosen.tables == ("interviews",)
    assert "x.csv: interviews, as was said" in chosen.text
    assert "  interviews:\n" in chosen.text


def test_a_table_alone_says_that_transactions_are_needed(project):
    file = project / "data/t.csv"
    file.write_text("customer_id,experiment_id,arm,assigned_at\n1,e,a,2025-01-02\n")
    proposal = propose_mapping(file, "data/t.csv")
    assert "every source needs them" in proposal.open_points[-1]


def test_a_table_that_is_said_but_not_there_asks_for_its_columns(project):
    file = project / "data/t.csv"
    file.write_text("a,b\n1,2\n")
    proposal = propose_mapping(file, "data/t.csv", "touches")
    assert [point.split(":")[0] for point in proposal.open_points] == [
        "customer_id", "occurred_at", "channel", "transactions",
    ]  # fmt: skip
    with pytest.raises(ParameterError, match="did you mean 'touches'"):
        propose_mapping(file, "data/t.csv", "touchs")
    with pytest.raises(ParameterError, match="is for one file"):
        propose_source([(file, "a"), (file, "b")], "touches")


def test_two_files_of_one_table_are_refused(project):
    for name in ("a", "b"):
        (project / f"data/{name}.csv").write_text("customer,date,amount\n1,2025-01-02,3\n")
    with pytest.raises(SourceError, match=r"a\.csv and b\.csv both seem to hold transactions"):
        propose_source([(project / f"data/{n}.csv", n) for n in "ab"])


def test_words_that_are_not_known_are_left_to_the_analyst(project):
    file = project / "data/t.csv"
    rows = ["1,2025-01-02,Call", "1,2025-01-03,Pigeon", "2,2025-01-04,Zofia Quill"]
    file.write_text("customer_id,contacted_at,channel\n" + "\n".join(rows) + "\n")
    proposal = propose_mapping(file, "data/t.csv")
    assert proposal.tables == ("touches",)
    assert 'words: {channel: {"Call": phone}}' in proposal.text
    assert any("words that are not known, Pigeon, …;" in point for point in proposal.open_points)
    assert "Zofia" not in proposal.text + proposal.described()


def test_the_command_takes_several_files_and_a_table(project):
    (project / "notebooks").mkdir()
    (project / "data/o.csv").write_text("customer,date,amount\n1,2025-01-02,3\n")
    (project / "data/t.csv").write_text("id,customer_id,sent_at,channel\n7,1,2025-01-02,email\n")
    done = CliRunner().invoke(main, ["source", "new", "data/o.csv", "data/t.csv"])
    assert done.exit_code == 0, done.output
    assert "touches.channel: channel" in done.output
    check = CliRunner().invoke(main, ["check", "params/sources/o.yaml"])
    assert check.exit_code == 0, check.output
    assert "touches: 1 rows read, 1 used" in check.output
    one = ["source", "new", "data/t.csv", "--table", "feedback", "--out", "f.yaml"]
    assert CliRunner().invoke(main, one).exit_code == 0
    assert "  feedback:" in (project / "f.yaml").read_text()
