"""An auditor plants people in every table, uses the commands, and reads every byte they leave."""

import json
import re

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from relkit.cli import main
from relkit.data.proposal import propose_mapping
from relkit.data.sources import open_source
from relkit.privacy import Privacy, protected
from relkit.run.withholding import kept_message

# Distinct words that stand nowhere else; each must never be seen.
NAME, OTHER_NAME = "Zofia Quillfeather", "奎羽佐菲"
MAIL, PHONE, BIRTHDAY = "zofia.q@plover.example", "+49 170 5550199", "1931-12-08"
NOTE = "my parrot Umbrello has the measles"
ID, OTHER_ID, REFERRED = "KX-70411", "KX-70422", "KX-70433"
PLANTED = (
    *("Zofia", "Quillfeather", OTHER_NAME, "zofia.q", "plover.example", "5550199", "1931"),
    *("08.12", "parrot", "Umbrello", "measles", "70411", "70422", "70433"),
)

TABLES = {
    "transactions": (
        "transaction_id,customer_id,occurred_at,amount,category",
        [f"t1,{ID},2025-01-01,5,tea", f"t2,{OTHER_ID},2025-01-02,7,tea",
         f"t3,{ID},{NAME},6,tea", f"t4,{ID},2025-02-02,{MAIL},tea",
         f"t5,{ID},2025-02-03,6,{NOTE},{PHONE}", f",{ID},2025-02-04,6,{MAIL}",
         f"t1,{OTHER_ID},2025-01-01,5,tea", f"t9,KX-70433,{PHONE},{PHONE},x"],
    ),
    "customers": (
        "customer_id,name,email,phone,birthday,decision_maker,region,consent_email",
        [f"{ID},{NAME},{MAIL},{PHONE},{BIRTHDAY},{NAME},north,yes",
         f"{OTHER_ID},{OTHER_NAME},{MAIL},{PHONE},{BIRTHDAY},{OTHER_NAME},north,",
         f"{REFERRED},{NAME},{MAIL},{PHONE},08.12.1931,{NAME},north,{NAME}",
         f"{ID},{OTHER_NAME},{MAIL},{PHONE},{BIRTHDAY},{NAME},north,no"],
    ),
    "touches": (
        "touch_id,customer_id,occurred_at,channel",
        [f"a,{ID},2025-01-03,phone", f"b,{OTHER_ID},2025-01-04,{NAME}", f"c,KX-70499,{NOTE},sms"],
    ),
    "feedback": (
        "feedback_id,customer_id,asked_at,kind,score,text",
        [f"f1,{ID},2025-01-05,nps,9,{NOTE}", f"f2,{OTHER_ID},2025-01-06,nps,{NOTE},{NAME}"],
    ),
    "tickets": (
        "ticket_id,customer_id,opened_at,kind,priority",
        [f"k1,{ID},2025-01-07,question,low", f"k2,{OTHER_ID},2025-01-08,{MAIL},{NAME}"],
    ),
    "engagement": (
        "customer_id,date,event,count",
        [f"{ID},2025-01-09,visit,1", f"{OTHER_ID},2025-01-09,visit,{PHONE}"],
    ),
    "contracts": (
        "contract_id,customer_id,starts_on,ends_on,annual_value,status,reason",
        [f"v1,{ID},2025-01-01,2025-12-31,10,active,{NOTE}",
         f"v2,{OTHER_ID},2025-01-01,2024-12-31,10,lost,{NOTE}"],
    ),
    "assignments": (
        "experiment_id,customer_id,arm,assigned_at",
        [f"e,{ID},a,2025-01-01", f"e,{ID},b,2025-01-01", f"e,{OTHER_ID},,{NAME}"],
    ),
    "referrals": (
        "customer_id,referred_customer_id,referred_at",
        [f"{ID},{REFERRED},2025-01-01", f"{ID},{ID},2025-01-01", f"{ID},{NAME},2025-01-01"],
    ),
    "owners": ("owner_id,name,hours_per_week", [f"o1,{NAME},40", f"o2,{OTHER_NAME},{PHONE}"]),
    "interviews": (
        "customer_id,field,interviewed_at,value",
        [f"{ID},phone,2025-01-01,{PHONE}", f"{OTHER_ID},name,{BIRTHDAY}x,{NAME}"],
    ),
    "needs": (
        "need_id,description,kano,importance,urgency,customer_id",
        [f"n1,{NOTE},basic,1,1,{ID}", f"n2,{NOTE},{NAME},1,1,{ID}"],
    ),
    "reviews": (
        "customer_id,reviewed_at,label,reviewer",
        [f"{ID},2025-01-01,loyal,{NAME}", f"{OTHER_ID},{NAME},loyal,{NAME}"],
    ),
}  # fmt: skip

# Read in a kernel; the others by the command and here.
RUN = ("transactions", "customers", "feedback")
SHOWN = """\
import relkit as rk
data = rk.open_source("params/sources/few.yaml", max_set_aside=1)
frames = {name: data.table(name).execute() for name in data.tables}
for name in data.tables:
    rk.save_table(frames[name], name)
    rk.save_table(data.set_aside(name), f"rejected_{name}")
frames["customers"]"""
CELLS = (
    "# Audit\n\nWhat leaks?",
    SHOWN,
    "frames['customers'].set_index('customer_id').head()",
    "frames['customers']['email']",
    "frames['transactions'].groupby('customer_id')['amount'].sum()",
    "frames['feedback'].rename(columns={'customer_id': '客户编号', 'text': '留言'})",
    "print(frames['customers'].to_string())",
    "list(frames['customers']['customer_id'])",
    "import sys; print(frames['customers'], file=sys.stderr)",
    "from IPython.display import HTML, display; display(HTML(frames['customers'].to_html()))",
    "data.set_aside('customers')",
    "rk.slide('All of them', *[rk.table(frame) for frame in frames.values()])",
    "rk.slide('Rejected', *[rk.table(data.set_aside(name)) for name in data.tables])",
    "rk.provenance(data)",
)
RAISING = """\
import pandas as pd
import relkit as rk
customers = pd.read_csv("data/customers.csv")
customers"""
FAILING = {
    "chained": "try:\n    float(customers['name'][0])\n"
    "except ValueError as e:\n    raise KeyError(customers['customer_id'][0]) from e",
    "relkit": "model = rk.BGNBD(r=.24, alpha=4.4, a=.8, b=2.4)\n"
    "model.probability_alive(customers.assign(frequency=1, recency=9, T=1))",
}


@pytest.fixture(scope="module")
def left(tmp_path_factory, project_at):
    """Everything that the commands left or said, by where; and the project."""
    project = project_at(tmp_path_factory.mktemp("audit"))
    root = project.root
    mapped = {}
    for name, (header, rows) in TABLES.items():
        (root / f"data/{name}.csv").write_text("\n".join([header, *rows]) + "\n")
        columns = ", ".join(f"{column}: {column}" for column in header.split(","))
        mapped[name] = f"  {name}: {{files: data/{name}.csv, columns: {{{columns}}}}}\n"
    head = "name: Shop\nformat: csv\ntables:\n"
    (root / "params/sources/shop.yaml").write_text(head + "".join(mapped.values()))
    few = "".join(mapped[name] for name in RUN)
    (root / "params/sources/few.yaml").write_text(head + few)
    parameters = 'customer_id: str = ""  # whom\nshow_ids: bool = False  # as they are'
    project.add("audit", *CELLS, parameters=parameters)
    for name, cell in FAILING.items():
        project.add(f"fails_{name}", "# Fails", RAISING, cell, parameters=parameters)
    for report in sorted((root / "params").glob("*/weekly.yaml")):
        report.write_text(f"customer_id: {OTHER_ID}\n")
    said = {"check": project.relkit("check", "params/sources/shop.yaml")}
    reports = [path.relative_to(root) for path in sorted((root / "params").glob("*/weekly.yaml"))]
    said["run"] = project.relkit("run", *reports)
    said["list"] = project.relkit("list")
    return project, {**{name: out + err for name, (_, out, err) in said.items()}, **written(root)}


def written(root):
    """The text of every file below outputs/, Parquet as a reader would print it."""
    texts = {}
    for path in sorted((root / "outputs").rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        if path.suffix == ".parquet":
            rows = duckdb.sql(f"SELECT * FROM '{path}'")
            texts[str(path)] = f"{rows.columns} {rows.fetchall()} {path.read_bytes()!r}"
        else:
            texts[str(path)] = path.read_bytes().decode("utf-8", "replace")
            if path.suffix in (".json", ".ipynb", ".jsonl"):
                # Chinese may be written as escapes.
                lines = texts[str(path)].splitlines() if path.suffix == ".jsonl" else None
                whole = [json.loads(t) for t in lines or [texts[str(path)]]]
                texts[str(path)] += json.dumps(whole, ensure_ascii=False)
    return texts


def found_in(texts):
    return [
        f"{word} in {where}: …{text[max(0, text.index(word) - 80) : text.index(word) + 60]!r}"
        for where, text in texts.items()
        for word in PLANTED
        if word in text
    ]


def test_the_run_published_and_the_others_failed(left):
    project, _ = left
    ledger = {line["report"]: line["status"] for line in project.ledger()}
    assert ledger.pop("audit-weekly") == "published"
    assert set(ledger.values()) == {"failed"}
    assert len(ledger) == len(FAILING)


def test_nobody_is_in_what_was_left(left):
    _, texts = left
    assert len(texts) > 20
    assert not found_in(texts)


def test_what_is_allowed_is_there_all_the_same(left):
    project, texts = left
    notebook = json.loads((project.outputs / "audit-weekly/latest/notebook.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    tables = ["".join(o["data"]["text/html"]) for c in cells for o in c["outputs"] if "data" in o]
    assert sum("relkit: protected" in html for html in tables) == 6
    # A slow machine may make a library say something in the cell that reads the data.
    later = [cell for cell in cells if "open_source" not in "".join(cell["source"])]
    assert sum("is not published" in json.dumps(cell["outputs"]) for cell in later) == 4
    record = project.record("audit-weekly")
    assert re.fullmatch(r"[0-9a-f]{5}(-[0-9a-f]{5}){2}", record["parameters"]["customer_id"])
    rejected = (
        project.outputs / "audit-weekly/latest/tables/rejected_transactions.csv"
    ).read_text()
    assert "occurred_at is unreadable" in rejected
    # What is what its column should hold is said as it is, what is not only as its shape.
    assert re.search(r"[0-9a-f-]{17},like Aaaaa Aaaaaaaaaaaa,6,tea,occurred_at", rejected)
    assert "set aside: duplicate" in texts["check"] or "repeated" in texts["check"]
    messages = {line["report"]: line["message"] for line in project.ledger()}
    assert "raised KeyError: '…'" in messages["fails_chained-weekly"]
    assert "recency is later than T in 4 rows (first: customer " in messages["fails_relkit-weekly"]
    chained = next((project.outputs / ".failed/fails_chained-weekly").rglob("notebook.ipynb"))
    assert "could not convert string to float: '…'" in chained.read_text()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("'Ana'", "'…'"),
        (
            "could not convert string to float: 'Ana Maria'",
            "could not convert string to float: '…'",
        ),
        ("column amuont not found in ['K-1', 'K-2']", "column amuont not found in ['…', '…']"),
        ("Ana Maria (ana@x.example) has 3 cats", "… (…) has …"),
        ("客户 王芳 不存在", "…"),
    ],
)
def test_of_a_message_only_pythons_words_and_those_of_the_code_are_kept(said, kept):
    code = {"cells": [{"cell_type": "code", "metadata": {}, "source": "frame['amuont']"}]}
    assert kept_message(said, code, Privacy()) == kept
    assert kept_message(said, code, Privacy(show_ids=True)) == kept
    assert kept_message(said, code, Privacy(show_ids=True, show_personal=True)) == said


HEADLESS = f"{ID};{NAME};2025-01-01;{MAIL}\n{OTHER_ID};{OTHER_NAME};2025-01-02;{PHONE}\n"


@pytest.mark.parametrize("separator", [";", ","])
def test_a_file_without_a_header_does_not_say_its_first_row(
    project_at, tmp_path, monkeypatch, separator
):
    project_at(tmp_path)
    (tmp_path / "data/x.csv").write_text(HEADLESS)
    yaml = tmp_path / "params/sources/x.yaml"
    yaml.write_text(
        f"name: X\nformat: csv\nfiles: data/x.csv\nseparator: '{separator}'\n"
        "transactions: {customer_id: customer, occurred_at: day, amount: KX-7041}\n"
    )
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["check", "params/sources/x.yaml"])
    assert done.exit_code == 1
    assert "its columns are: like" in done.output
    assert not found_in({"check": done.output})


@pytest.mark.parametrize("rows", [1, 7])
def test_a_column_of_names_taken_for_currencies_does_not_list_them(
    project_at, tmp_path, monkeypatch, rows
):
    project_at(tmp_path)
    names = [NAME, OTHER_NAME, "Zofia", MAIL, PHONE, NOTE, "Quillfeather"][:rows]
    lines = [f"K{i},2025-01-0{i + 1},5,{name}\n" for i, name in enumerate(names)]
    (tmp_path / "data/x.csv").write_text("c,d,a,who\n" + "".join(lines))
    (tmp_path / "params/sources/x.yaml").write_text(
        "name: X\nformat: csv\nfiles: data/x.csv\n"
        "transactions: {customer_id: c, occurred_at: d, amount: a, currency: who}\n"
    )
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["check", "params/sources/x.yaml"])
    assert done.exit_code == 1
    assert ("several currencies" if rows > 1 else "currency says 'like Aaaaa") in done.output
    assert not found_in({"check": done.output})


def test_a_world_says_nobody_on_the_terminal(project_at, tmp_path, monkeypatch):
    project_at(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ["world", "--customers", "60", "--seed", "4", "--out", "data/world"]
    made = CliRunner().invoke(main, words)
    assert made.exit_code == 0, made.output
    monkeypatch.chdir(tmp_path / "data/world")
    refused = CliRunner().invoke(main, ["check", "params/sources/world.yaml"])
    assert "more than max_set_aside" in refused.output
    with open("params/sources/world.yaml", "a", encoding="utf-8") as source:
        source.write("max_set_aside: 0.2\n")
    checked = CliRunner().invoke(main, ["check", "params/sources/world.yaml"])
    assert "270 rows read" in checked.output
    people = pd.read_parquet("data/customers.parquet")
    owners = pd.read_parquet("data/owners.parquet")
    personal = ["customer_id", "name", "email", "phone", "birthday", "decision_maker"]
    cells = pd.concat([*(people[column] for column in personal), owners["name"]]).dropna()
    everybody = {str(cell) for cell in cells} - {""}
    assert len(everybody) > 150
    shown = made.output + refused.output + checked.output
    assert not [who for who in everybody if re.search(rf"(?<!\w){re.escape(who)}(?!\w)", shown)]


@pytest.mark.slow
def test_no_row_of_any_table_that_is_set_aside_says_who(left, monkeypatch):
    project, _ = left
    monkeypatch.chdir(project.root)
    source = open_source("params/sources/shop.yaml", max_set_aside=1)
    raw = {name: source.set_aside(name) for name in source.tables}
    assert all(len(frame) for frame in raw.values())
    assert found_in({name: frame.to_string() for name, frame in raw.items()})
    assert not found_in({name: protected(frame).to_string() for name, frame in raw.items()})
    good = {name: source.table(name).execute() for name in source.tables}
    assert not found_in({name: protected(frame).to_string() for name, frame in good.items()})


def test_a_proposal_says_no_value_of_any_table(left, monkeypatch):
    project, _ = left
    monkeypatch.chdir(project.root)
    texts = {}
    for name in TABLES:
        proposal = propose_mapping(project.root / f"data/{name}.csv", f"data/{name}.csv")
        texts[name] = proposal.text + proposal.described()
    assert not found_in(texts)
