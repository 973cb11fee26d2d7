"""Invented people: staff of courts with their ids, and parties with names that are common enough to be nobody's."""

from dataclasses import dataclass
from random import Random
from typing import Final

Person = dict[str, str]

_SURNAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹"
_GIVEN: Final = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建文辉力健宁"
_TRADES: Final = ("科技", "贸易", "信息技术", "电子商务", "文化传播", "物流", "网络服务", "食品")
_SUFFIX: Final = "有限公司"
JUDGES_PER_COURT: Final = 24
CLERKS_PER_COURT: Final = 12


def human(rng: Random) -> str:
    """A person's name."""
    return rng.choice(_SURNAMES) + rng.choice(_GIVEN) + rng.choice(_GIVEN)


def company(rng: Random) -> str:
    """A company's name; it ends in 演示 so that nobody takes it for a real one."""
    return f"{rng.choice(_GIVEN)}{rng.choice(_GIVEN)}{rng.choice(_TRADES)}(演示){_SUFFIX}"


@dataclass(frozen=True, slots=True)
class Staff:
    """Who works on one case, by staff ids of the court; judges beyond the first join the panel or take over."""

    judges: tuple[Person, ...]
    clerk: Person
    registrar: Person
    president: Person
    officer: Person
    archivist: Person

    @property
    def judge(self) -> Person:
        """The judge to whom the case is assigned first."""
        return self.judges[0]


def staff_of(court: str, rng: Random) -> Staff:
    """Choose the people of one case from a court's staff."""
    place = "".join(character for character in court if character.isdigit()) or "00"
    numbers = rng.sample(range(1, JUDGES_PER_COURT + 1), 7)
    clerk = rng.randint(2, CLERKS_PER_COURT)
    return Staff(
        judges=tuple({"id": f"J{place}-{number:02d}"} for number in numbers),
        clerk={"id": f"C{place}-{clerk:02d}"},
        registrar={"id": f"C{place}-01"},
        president={"id": f"P{place}-01"},
        officer={"id": f"X{place}-{rng.randint(1, 6):02d}"},
        archivist={"id": f"A{place}-{rng.randint(1, 2):02d}"},
    )
