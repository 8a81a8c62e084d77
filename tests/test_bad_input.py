"""Bad input, all the way: what a user types, what the command says, what stays as it was.

Each case is a project with its own data and parameters, in which a report was
published before; ``relkit run`` is started as a user starts it.
"""

import csv
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ("customer_value", "segments", "review_deck")
COLUMNS = {"customer_id": "Customer", "occurred_at": "Day", "amount": "Total"}
HEADER = "Customer,Day,Total\n"
# What libraries say among themselves, and no reader of a message should have to read.
RAW = re.compile(r"Traceback|numpy|pandas|duckdb|pydantic|site-packages|\bnan\b|<class|0x[0-9a-f]+")
HOSTILE = (
    "<img src=x onerror=alert(1)>", "=HYPERLINK(1)", "</script><script>alert(1)</script>",
    "+1+1", "-2+3", "@SUM(A1)", "[x](javascript:alert(1))", 'a,b"c', "{{7*7}}", "\u202eevil",
    "张三 李四", "x" * 300,
)  # fmt: skip


# ---- data ----------------------------------------------------------------------------


def shop(customers=300, seed=1, weeks=60):
    """Customers who buy at their own rate and leave after a purchase at their own risk."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.8, 1 / 10, customers)
    leaves = rng.beta(0.8, 2.5, customers)
    mean = rng.gamma(6, 8, customers)
    rows = []
    for i in range(customers):
        week, first = rng.uniform(0, 17), True
        while week < weeks:
            day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(7 * week))
            rows.append((f"C{i:04d}", day, round(rng.gamma(5, mean[i] / 5), 2)))
            if not first and rng.random() < leaves[i]:
                break
            week, first = week + rng.exponential(1 / rate[i]), False
    return pd.DataFrame(rows, columns=list(COLUMNS.values()))


SHOP = shop()
ONCE = SHOP.drop_duplicates("Customer")


def text(frame):
    return frame.to_csv(index=False, date_format="%Y-%m-%d", lineterminator="\n")


def with_column(name, values):
    frame = SHOP.astype({name: object})
    frame[name] = values(frame[name]) if callable(values) else values
    return text(frame)


def unreadable():
    """Days and amounts as another country writes them, and every 20th customer unknown."""
    frame = SHOP.astype(object)
    frame["Day"] = [f"{day:%d.%m.%Y}" for day in SHOP["Day"]]
    frame["Total"] = [f"€ {amount:.2f}".replace(".", ",") for amount in SHOP["Total"]]
    frame.loc[::20, "Customer"] = None
    return text(frame)


def every(n, name, value):
    """Every nth row has this value in a column."""
    return with_column(name, lambda old: old.where(np.arange(len(old)) % n > 0, value))


# ---- the project ---------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Project:
    """A folder as a user has it: notebooks, parameters, data, outputs."""

    root: Path

    @classmethod
    def make(cls, root):
        for folder in ("params/sources", "data"):
            (root / folder).mkdir(parents=True)
        shutil.copytree(ROOT / "notebooks", root / "notebooks")
        shutil.copy(ROOT / "params/sources/cdnow_sample.yaml", root / "params/sources")
        for folder in ("tiers", "tags"):
            shutil.copytree(ROOT / "params" / folder, root / "params" / folder)
        return cls(root)

    def write(self, path, content):
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def source(self, content, name="shop", settings="", columns=COLUMNS, file=None):
        """The data and its mapping; content None leaves the file missing."""
        file = file or f"{name}.csv"
        if content is not None:
            self.write(f"data/{file}", content)
        format_ = "" if "format:" in settings else "format: csv\n"
        mapped = "".join(f"  {ours}: {theirs}\n" for ours, theirs in columns.items())
        return self.write(
            f"params/sources/{name}.yaml",
            f"name: Shop\nfiles: data/{file}\nsynthetic: true\n{format_}{settings}\n"
            f"transactions:\n{mapped}",
        )

    def run(self, *files):
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(
            [sys.executable, "-m", "relkit", "run", *files],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def standing(self):
        """Everything that readers see: a hash of each file, and where each link points."""
        outputs = self.root / "outputs"
        return {
            path.relative_to(outputs).as_posix(): os.readlink(path)
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(outputs.rglob("*"))
            if path.is_symlink() or path.is_file()
        }

    def latest(self, report):
        return self.root / "outputs" / report / "latest"

    def record(self, report):
        return json.loads((self.latest(report) / "run.json").read_text(encoding="utf-8"))

    def ledger(self):
        lines = (self.root / "outputs/runs.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def published_only(standing):
    """Without what a failed run may add: its own folder, its line in ledger and index."""
    added = (".failed/", ".work/", ".locks/", "runs.jsonl", "index.html")
    return {path: value for path, value in standing.items() if not path.startswith(added)}


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, worker_id):
    """A folder that the first test worker makes and the others only read."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent

    def make(name, fill):
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (shared / name).exists():
                shutil.rmtree(shared / f"{name}.part", ignore_errors=True)
                fill(shared / f"{name}.part")
                (shared / f"{name}.part").rename(shared / name)
        return shared / name

    return make


def _publish_good(root):
    project = Project.make(root)
    project.write("params/segments/shop.yaml", "source: params/sources/cdnow_sample.yaml\n")
    done = project.run("params/segments/shop.yaml")
    assert done.code == 0, done.err


@pytest.fixture(scope="session")
def project(made_once, tmp_path_factory):
    """A project in which segments-shop was published from the CDNOW sample."""
    root = tmp_path_factory.mktemp("bad_input") / "shop"
    shutil.copytree(made_once("good_report", _publish_good), root, symlinks=True)
    return Project(root)


@contextmanager
def all_stays(project, ledger_too):
    before, lines = project.standing(), project.ledger()
    assert before["segments-shop/latest"], "there is a good report to lose"
    yield
    after = project.standing()
    if ledger_too:
        assert after == before
        return
    assert published_only(after) == published_only(before)
    new = project.ledger()[len(lines) :]
    assert [entry["status"] for entry in new] == ["failed"]
    assert not list((project.root / "outputs/.work").glob("*/*"))


def check_refused(project, file, code, words):
    """The run is refused with one message that holds all the words, and nothing is lost."""
    with all_stays(project, ledger_too=code == 2):
        done = project.run(file)
    assert done.code == code, done.err
    assert done.out.endswith("did not publish\n")
    for word in words:
        assert word in done.err
    assert not RAW.search(done.err), done.err
    lines = done.err.strip().splitlines()
    assert [line for line in lines[1:] if not line.startswith("  ")] == [], "one message"
    assert len(set(lines)) == len(lines), "nothing is said twice"


# ---- before a kernel starts ----------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("source: params/sources/cdnow_simple.yaml",
         ["no such file", "did you mean 'params/sources/cdnow_sample.yaml'?"]),
        ("horizn: 52.0", ["unknown parameter 'horizn'; did you mean 'horizon'?"]),
        ("horizon: long\nbands: 2.5\nlanguage: 7",
         ["3 faults", "horizon='long' must be a number", "bands=2.5 must be a whole number",
          "language=7 must be text"]),
        ("horizon: 0", ["horizon=0.0 must be a positive, finite number of units"]),
        ("horizon: 100000", ["horizon=100000.0 at unit='week' is 1,916 years", "to 50 years"]),
        ("annual_discount_rate: 10", ["must be in [0, 1); give 10 % as 0.10"]),
        ("review_share: 20.0", ["review_share=20.0 must be in (0, 1]; give 20 % as 0.20"]),
        ("tier_rules: params/tiers/clv_rank.csv", ["must name tier rules, such as params/tiers/"]),
        ("as_of: 31.12.2024", ["as_of='31.12.2024' must be a day of the calendar", "YYYY-MM-DD"]),
        ("as_of: 2024-12-31", ["line 2: 2024-12-31 is a date object", 'quotes: "2024-12-31"']),
        ("unit: weeks\nlater_rows: drop",
         ["2 faults", "did you mean 'week'?", "must be one of fault, set_aside"]),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_meant(project, parameters, words):
    source = "" if "source:" in parameters else "source: params/sources/cdnow_sample.yaml\n"
    file = project.write("params/segments/shop.yaml", f"{source}{parameters}\n")
    check_refused(project, file, 2, ["params/segments/shop.yaml: ", *words])


@contextmanager
def other_notebook(project, change):
    """The shipped notebook with its cells changed, for as long as it takes."""
    path = project.root / "notebooks/segments.ipynb"
    shipped = path.read_bytes()
    notebook = json.loads(shipped)
    change(notebook["cells"])
    path.write_text(json.dumps(notebook), encoding="utf-8")
    project.write("params/segments/shop.yaml", "source: params/sources/cdnow_sample.yaml\n")
    try:
        yield "params/segments/shop.yaml"
    finally:
        path.write_bytes(shipped)


def _cell(source):
    return {"cell_type": "code", "id": "new", "metadata": {}, "source": source,
            "outputs": [], "execution_count": None}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda cells: cells[1]["metadata"].clear(), 2,
         ["no code cell is tagged 'parameters', exactly one is required", "JupyterLab"]),
        (lambda cells: cells.insert(2, {**cells[1], "id": "twice"}), 2,
         ["2 cells are tagged 'parameters' (cells 2, 3), exactly one is required"]),
        (lambda cells: cells.insert(2, _cell("{}['clv']")), 1,
         ["cell 3 of notebooks/segments.ipynb", "raised KeyError: 'clv'", "--traceback"]),
        (lambda cells: cells.insert(2, _cell("import sys\nsys.exit(0)")), 1,
         ["cell 3 of notebooks/segments.ipynb", "ended the notebook with sys.exit(0)",
          "only when every cell has run"]),
    ],
    ids=["without parameter cell", "two parameter cells", "a cell raises", "sys.exit(0)"],
)  # fmt: skip
def test_notebooks_that_cannot_be_published(project, change, code, words):
    with other_notebook(project, change) as file:
        check_refused(project, file, code, ["notebooks/segments.ipynb", *words])


# ---- data that cannot give an answer ---------------------------------------------------

FEW = "at least 10 are required; take a longer period or more customers"
# name -> (content of the file, source settings, parameters, notebook, what must be said)
DATA = {
    "file missing": (
        None, "", "", "segments",
        ["params/sources/bad.yaml: no such file: data/bad.csv", "put it there, or correct files:"],
    ),
    "workbook named csv": (
        b"PK\x03\x04" + bytes(99), "", "", "segments",
        ["data/bad.csv is declared as csv, but it is an Excel workbook", "save the sheet as CSV"],
    ),
    "column missing": (
        text(SHOP.rename(columns={"Customer": "Custmer"})), "", "", "segments",
        ["data/bad.csv does not have the columns that params/sources/bad.yaml maps",
         "no column 'Customer'; did you mean 'Custmer'?", "its columns are: Custmer, Day, Total"],
    ),
    "dates, amounts and customers that cannot be read": (
        unreadable(), "", "", "segments",
        ["more than max_set_aside=0.01 allows",
         "customer_id is empty in", "(first: row 2; row 22; row 42): ", "fill them in",
         "occurred_at is unreadable in", "(first: row 2, '", "set dates: '%d.%m.%Y'",
         "amount is text in", "set currency_sign: '€' and decimal: ','"],
    ),
    "dates after as_of": (
        text(SHOP), "", 'as_of: "2024-06-30"', "segments",
        ["rows lie after as_of=2024-06-30", "set later_rows: set_aside"],
    ),
    "dates in the future, dates that stand for none": (
        every(30, "Day", pd.Timestamp("2093-01-01")) + "Z,1900-01-01,5\n", "", "", "segments",
        ["more than max_set_aside=0.01 allows", "occurred_at is in the future in", "'2093-01-01'",
         "occurred_at is before 1970-01-02 in 1 row", "fill in the real ones"],
    ),
    "no transactions": (
        HEADER, "", "", "segments", ["there are no rows; at least one transaction is required"]),
    "only refunds": (
        with_column("Total", lambda amounts: -amounts), "", "", "segments",
        ["no purchase is left; at least one is required"],
    ),
    "currency is no code": (
        text(SHOP), "currency: Euro", "", "segments",
        ["params/sources/bad.yaml", "currency must be a three-letter code", "found 'Euro'"],
    ),
    "as_of before the first purchase": (
        text(SHOP), "", 'as_of: "2020-01-01"', "segments",
        ["as_of=2020-01-01 lies before the first purchase, 2024-01-", "on or after it"],
    ),
    "as_of in the future": (
        text(SHOP), "", 'as_of: "2099-01-01"', "segments",
        ["as_of=2099-01-01 lies in the future; today is 2"],
    ),
    "a single customer": (
        text(SHOP.assign(Customer="C1")), "", "", "segments", ["1 of 1 customers came back", FEW]),
    "nobody came back": (
        text(ONCE), "", "", "customer_value", ["0 of 300 customers came back", FEW]),
    "all on one day": (
        text(SHOP.assign(Day="2024-05-05")), "", "", "review_deck",
        ["0 of 300 customers came back", FEW],
    ),
    "nothing costs anything": (
        text(SHOP.assign(Total=0)), "", "", "segments",
        ["0 customers have a repeat purchase with positive spend", "at least 10 are required"],
    ),
    "refunds outweigh purchases": (
        text(pd.concat([SHOP, SHOP.assign(Total=-2 * SHOP["Total"])])), "", "", "segments",
        ["refunds outweigh purchases", "look whether the amounts of purchases are complete"],
    ),
    "calibration_end before the data": (
        text(SHOP), "", 'calibration_end: "2020-01-01"', "customer_value",
        ["calibration_end=2020-01-01 lies outside the purchases", "choose a day in between"],
    ),
    "calibration_end after the data": (
        text(SHOP), "", 'calibration_end: "2030-01-01"', "customer_value",
        ["calibration_end=2030-01-01 must lie before as_of=2025-"],
    ),
    "compare_to before the first purchase": (
        text(SHOP), "", 'compare_to: "2020-01-01"', "review_deck",
        ["compare_to=2020-01-01 must lie after the first purchase, 2024-01-", "their middle"],
    ),
    "compare_to after as_of": (
        text(SHOP), "", 'compare_to: "2030-01-01"', "review_deck",
        ["compare_to=2030-01-01 must lie after", "and before as_of=2025-", "in between"],
    ),
}  # fmt: skip


# One of each kind every time; each takes a kernel, so the others are left to the long studies.
QUICK = {
    "column missing",
    "dates, amounts and customers that cannot be read",
    "dates after as_of",
    "a single customer",
    "calibration_end after the data",
}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in DATA],
)
def test_data_that_cannot_give_an_answer(project, name):
    content, settings, parameters, notebook, words = DATA[name]
    (project.root / "data/bad.csv").unlink(missing_ok=True)
    source = project.source(content, "bad", settings)
    file = project.write(f"params/{notebook}/shop.yaml", f"source: {source}\n{parameters}\n")
    where = ["in cell ", f"of notebooks/{notebook}.ipynb (under '"]
    check_refused(project, file, 1, [*words, *where])


# ---- odd data that can -----------------------------------------------------------------


def messy():
    """Every name hostile, a customer with refunds only, no currency, and some empty ids."""
    names = {
        old: HOSTILE[i % len(HOSTILE)] + (f" {old}" if i >= len(HOSTILE) else "")
        for i, old in enumerate(SHOP["Customer"].unique())
    }
    frame = SHOP.assign(Customer=SHOP["Customer"].map(names))
    frame.loc[[7, 77, 177], "Customer"] = None
    refunds = pd.DataFrame({"Customer": "R", "Day": SHOP["Day"].max(), "Total": [-5.0, -6.5]})
    return pd.concat([frame, refunds])


def messy_buyers():
    rows = messy()
    return rows.loc[rows["Total"] > 0, "Customer"].dropna()


def _publish_odd(root):
    project = Project.make(root)
    files = []

    def report(name, notebook, source, more="language: en"):
        files.append(project.write(f"params/{notebook}/{name}.yaml", f"source: {source}\n{more}\n"))

    sane = project.source(text(SHOP), "sane", "currency: EUR")
    odd = project.source(text(messy()), "messy")
    for notebook in NOTEBOOKS:
        report("sane", notebook, sane, "language: zh")
        report("messy", notebook, odd, "language: en\nshow_ids: true")
    few = shop(30, seed=3)
    chinese = {"customer_id": "客户编号", "occurred_at": "下单日期", "amount": "金额"}
    few.columns = list(chinese.values())
    tiny = project.source(text(few), "tiny", "currency: CNY", chinese, "订单 明细.csv")
    rules = (ROOT / "params/tiers/clv_rank.yaml").read_text(encoding="utf-8")
    rules = rules.replace("10 %", "0.1 %").replace("70 %", "79.9 %").replace("30 %", "20.1 %")
    project.write("params/tiers/tiny.yaml", rules)
    report("tiny", "segments", tiny, "language: zh\ntier_rules: params/tiers/tiny.yaml")
    report("tiny", "customer_value", tiny, "language: zh")
    back = SHOP[SHOP.groupby("Customer")["Day"].transform("nunique") > 1]
    priced = project.source(text(back.assign(Total=19.9)), "priced", "currency: EUR")
    report("priced", "customer_value", priced)
    done = project.run(*files)
    assert done.code == 0, done.out + done.err


@pytest.fixture(scope="session")
def odd(made_once):
    """A project in which reports of good, odd and hostile data were published."""
    return Project(made_once("odd_reports", _publish_odd))


class Page(HTMLParser):
    """What a browser would make of a page: its elements and the text between them."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.words, self._inside = [], [], ""
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.words.append(data)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
@pytest.mark.parametrize(
    ("report", "language", "customers"),
    [("sane", "zh-Hans", SHOP["Customer"].nunique()), ("messy", "en", len(set(messy_buyers())))],
)
def test_a_small_shop_is_published(odd, notebook, report, language, customers):
    record = odd.record(f"{notebook}-{report}")
    assert record["status"] == "published"
    assert len(record["gates"]) >= 3
    # Cohorts and seasons cannot be judged on so few customers, and are said to be open.
    undecided = sum(gate["passed"] is None for gate in record["gates"])
    assert undecided <= (2 if notebook == "customer_value" else 0)
    for name in ("report.html", "deck.html"):
        page = Page(odd.latest(f"{notebook}-{report}") / name)
        assert ("html", {"lang": language}) in page.elements[:1]
        assert f"{customers:,}" in page.text
        assert not re.search(r"\b(nan|NaN|inf|NaT)\b", page.text)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_rows_set_aside_are_counted_and_listed(odd, notebook):
    rows = messy()
    report = f"{notebook}-messy"
    account = odd.record(report)["data"]["account"]
    assert account["read"] == len(rows) == account["used"] + account["set_aside"]
    assert account["reasons"] == {"customer_id is empty": 3}
    tables = odd.latest(report) / "tables"
    with (tables / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.DictReader(file))
    # Row 1 is the header; the rows are numbered from 0 in the frame.
    assert [row["row"] for row in listed] == ["9", "79", "179"]
    assert {row["reason"] for row in listed} == {"customer_id is empty"}
    assert [row["Total"] for row in listed] == [str(SHOP["Total"][i]) for i in (7, 77, 177)]
    assert len(pd.read_parquet(tables / "rejected.parquet")) == 3
    said = Page(odd.latest(report) / "report.html").text
    assert f"{len(rows) - 3:,} of {len(rows):,} rows were used, 3 set aside" in said
    assert "Customers with refunds but no purchase: 1; they are left out." in said
    assert f"{messy_buyers().nunique():,} customers" in said


@pytest.mark.parametrize("name", ["report.html", "deck.html"])
def test_hostile_names_are_text_on_pages(odd, name):
    found = set()
    for notebook in ("review_deck", "customer_value"):
        page = Page(odd.latest(f"{notebook}-messy") / name)
        assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]
        assert not [a for tag, a in page.elements if tag == "img" and a.get("src") == "x"]
        links = [str(a.get("href", "")) for tag, a in page.elements if tag == "a"]
        assert not [link for link in links if link.strip().lower().startswith("javascript")]
        found.update(hostile for hostile in HOSTILE if hostile in page.text)
        assert "\u202e" not in page.text
    # Who is silent stands in the deck, who is most valuable in the report, letter for letter.
    assert found & {"<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>"}
    assert len(found) >= {"report.html": 8, "deck.html": 3}[name]


@pytest.mark.browser
def test_every_slide_says_in_its_footer_that_the_data_are_synthetic(odd, open_page):
    html = (odd.latest("review_deck-messy") / "deck.html").read_text(encoding="utf-8")
    page, _, _ = open_page(html)
    apart = """[...document.querySelectorAll('section > footer')].map(footer => {
        const [badge, source] = ['.badge', '.source'].map(
            name => footer.querySelector(name).getBoundingClientRect())
        return Math.abs(badge.top + badge.bottom - source.top - source.bottom) / 2 })"""
    distances = page.evaluate(apart)
    assert len(distances) >= 10
    assert max(distances) < 4, "badge and source stand on one line"


@pytest.mark.browser
@pytest.mark.parametrize("notebook", ["review_deck", "customer_value"])
def test_hostile_names_do_nothing_in_a_browser(odd, notebook, open_page):
    for name in ("report.html", "deck.html"):
        html = (odd.latest(f"{notebook}-messy") / name).read_text(encoding="utf-8")
        page, asked, errors = open_page(html)
        assert (asked, errors) == ([], [])
        assert page.evaluate("document.querySelectorAll('[onerror], img[src=x]').length") == 0


def test_hostile_names_are_text_in_tables(odd):
    tables = odd.latest("segments-messy") / "tables"
    with (tables / "tiers.csv").open(encoding="utf-8-sig", newline="") as file:
        listed = [row["customer_id"] for row in csv.DictReader(file)]
    assert not [cell for cell in listed if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    for hostile in HOSTILE:
        assert ("'" + hostile if hostile[0] in "=+-@" else hostile) in listed
    assert set(HOSTILE) <= set(pd.read_parquet(tables / "tiers.parquet")["customer_id"])


def test_without_a_currency_amounts_are_bare(odd):
    said = Page(odd.latest("segments-messy") / "report.html").text
    assert not re.search(r"[$€£¥]|USD|EUR", said)


def test_thirty_customers_and_a_tier_that_holds_nobody(odd):
    record = odd.record("segments-tiny")
    failed = [gate["statement"] for gate in record["gates"] if gate["passed"] is False]
    assert any(statement.startswith("复购客户太少：30 位中只有") for statement in failed)
    assert not any(re.search("[a-z]{3}", statement) for statement in failed)
    assert record["data"]["files"][0]["path"] == "data/订单 明细.csv"
    sizes = pd.read_parquet(odd.latest("segments-tiny") / "tables/tiers.parquet")["tier"]
    assert set(sizes) == {"B", "C"}
    # The most valuable tier that holds anyone is spoken of.
    assert record["finding"].startswith("B 层：")


def test_thirty_customers_too_few_for_a_test_on_unseen_time(odd):
    gates = odd.record("customer_value-tiny")["gates"]
    unknown = [gate["statement"] for gate in gates if gate["passed"] is None]
    assert any(statement.startswith("未在未见时段上检验预测") for statement in unknown)
    assert "未在未见时段上检验预测" in Page(odd.latest("customer_value-tiny") / "report.html").text


def test_one_price_for_all_and_everybody_came_back(odd):
    values = pd.read_parquet(odd.latest("customer_value-priced") / "tables/customer_value.parquet")
    # Some bought two on one day, nearly all one: what they will spend is the price.
    assert values["expected_spend"].median() == pytest.approx(19.9, rel=0.02)
    said = Page(odd.latest("customer_value-priced") / "report.html").text
    assert "the data set no limit to the parameter" in said
    assert "customers bought once" not in said
