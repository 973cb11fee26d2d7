"""Courts: the listed ones by name, others by the form of their code."""

from pathlib import Path

import pytest
from balance_chain.core.catalogue_files import CatalogueError
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir

COURTS = Courts.load(data_dir("catalogue"))


@pytest.mark.parametrize(
    ("code", "zh", "level", "zone"),
    [
        ("最高法", "最高人民法院", "supreme", "Asia/Shanghai"),
        ("京", "北京市高级人民法院", "high", "Asia/Shanghai"),
        ("京01", "北京市第一中级人民法院", "intermediate", "Asia/Shanghai"),
        ("京0491", "北京互联网法院", "basic", "Asia/Shanghai"),
        ("us-akb", "美国阿拉斯加联邦破产法院", "bankruptcy", "America/Anchorage"),
        ("us-ca9", "美国第九巡回上诉法院", "appellate", "America/Los_Angeles"),
    ],
)
def test_a_listed_court_has_its_name_and_zone(code: str, zh: str, level: str, zone: str) -> None:
    court = COURTS.get(code)
    assert court is not None
    assert (court.zh, court.level, court.zone.key) == (zh, level, zone)
    assert court.jurisdiction == ("us" if code.startswith("us-") else "cn")


def test_an_unlisted_chinese_code_gets_a_court_of_its_level() -> None:
    court = COURTS.get("黑7102")
    assert court is not None
    assert (court.level, court.calendar, court.confirmed) == ("basic", "cn", False)
    assert "铁路运输" in court.zh
    assert COURTS.get("黑7102") is court


@pytest.mark.parametrize("code", [None, "", "甲01", "京1", "京049", "us-zzz", "北京"])
def test_what_no_court_can_be_called_is_no_court(code: str | None) -> None:
    assert COURTS.get(code) is None


def test_a_zone_that_does_not_exist_is_told_with_its_court(tmp_path: Path) -> None:
    for name in ("courts.yaml", "catalogue.schema.json"):
        (tmp_path / name).write_text((data_dir("catalogue") / name).read_text(encoding="utf-8"), encoding="utf-8")
    text = (tmp_path / "courts.yaml").read_text(encoding="utf-8")
    (tmp_path / "courts.yaml").write_text(text.replace("America/Anchorage", "America/Nowhere", 1), encoding="utf-8")
    with pytest.raises(CatalogueError, match="us-ak"):
        Courts.load(tmp_path)
