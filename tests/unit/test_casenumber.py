"""Case numbers: one normal form for each case, and a clear answer where there is none."""

import pickle

import pytest
from balance_chain.core.casenumber import CaseId, CaseNumberError, parse_subject
from hypothesis import given, settings
from hypothesis import strategies as st

PROVINCES = "京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
KINDS = [
    "民初",
    "民终",
    "民申",
    "民再",
    "民辖终",
    "民特",
    "刑初",
    "刑终",
    "行初",
    "行终",
    "执",
    "执异",
    "执复",
    "民诉前调",
]
courts = st.one_of(st.just("最高法"), st.from_regex(rf"[{PROVINCES}](?:[0-9]{{2}}){{0,2}}", fullmatch=True))
numbers = st.builds(
    "（{}）{}{}{}{}号{}".format,
    st.integers(2016, 2099),
    courts,
    st.sampled_from(["", "知"]),
    st.sampled_from(KINDS),
    st.integers(1, 99_999_999),
    st.sampled_from(["", "之一", "之十二"]),
)
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(2026)京0491民初88号", CaseId("（2026）京0491民初88号", "cn", "京0491", 2026, "民初", 88)),
        ("【２０２６】京 0491 民初 ８８ 号", CaseId("（2026）京0491民初88号", "cn", "京0491", 2026, "民初", 88)),
        ("（2024）最高法知民终12号", CaseId("（2024）最高法知民终12号", "cn", "最高法", 2024, "知民终", 12)),
        ("（2025）浙0192民诉前调9号之一", CaseId("（2025）浙0192民诉前调9号之一", "cn", "浙0192", 2025, "民诉前调", 9)),
        ("us-NYSD/1:15-mc-00105", CaseId("us-nysd/1:15-mc-00105", "us", "us-nysd")),
        ("US-nysb/09-01305", CaseId("us-nysb/09-01305", "us", "us-nysb")),
        ("（2012）朝民初字第 1234号", CaseId("（2012）朝民初字第 1234号", "legacy", year=2012)),
        ("urn:balance:demo:case-system", CaseId("urn:balance:demo:case-system", "source")),
    ],
)
def test_a_subject_has_one_normal_form(text: str, expected: CaseId) -> None:
    assert parse_subject(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "（2026）京0491民初3827、3828号",
        "(2026)京0491民初1号、(2026)京0491民初2号",
        "（2026）京0491民初3号至9号",
        "（2026）京0491民初3-9号",
    ],
)
def test_several_cases_in_one_subject_are_refused_as_such(text: str) -> None:
    with pytest.raises(CaseNumberError) as refused:
        parse_subject(text)
    assert refused.value.code == "several_cases"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "88",
        "（2015）京0491民初88号",
        "（2026）京049民初88号",
        "（2026）京0491民初088号",
        "（2026）京0491民初0号",
        "us-nysd",
        "us-/1",
        "us-nysd/",
        "号" * 400,
        f"（2026）京0491民初{'9' * 5000}号",
        f"（2026）京0491民初1号之{'一' * 5000}",
    ],
)
def test_what_is_no_case_number_is_refused(text: str) -> None:
    with pytest.raises(CaseNumberError) as refused:
        parse_subject(text)
    assert refused.value.code == "subject_invalid"
    assert refused.value.field == "subject"


@settings(max_examples=200)
@given(numbers, st.booleans(), st.booleans(), st.sampled_from(["（）", "()", "【】", "[]"]), st.integers(0, 12))
def test_normalising_undoes_width_brackets_and_spaces(
    number: str, wide: bool, spaced: bool, brackets: str, at: int
) -> None:
    written = number.translate(WIDE) if wide else number
    written = written.replace("（", brackets[0]).replace("）", brackets[1])
    if spaced:
        written = f"{written[:at]} \u3000{written[at:]}"
    parsed = parse_subject(written)
    assert parsed.caseid == number
    assert parsed.form == "cn"


@settings(max_examples=300)
@given(
    st.one_of(st.text(max_size=40), st.text(alphabet="（()）2016京0491民初88号字第、us-/:之一 ", max_size=30), numbers)
)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    try:
        parsed = parse_subject(text)
    except CaseNumberError:
        return
    assert parse_subject(parsed.caseid) == parsed


def test_a_refusal_survives_a_process_boundary() -> None:
    with pytest.raises(CaseNumberError) as refused:
        parse_subject("x")
    again = pickle.loads(pickle.dumps(refused.value))
    assert (again.code, str(again)) == (refused.value.code, str(refused.value))
