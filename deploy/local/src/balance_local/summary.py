"""What the demo found, for people and for machines.

`Summary` is the last line of `balance-chain demo --json`; `Summary.faults` says in words why a run did not succeed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass
class Summary:
    """The numbers of one run; `blocks`, `blocks_verified` and `checkpoint` are of the whole ledger."""

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    sealed: int = 0
    blocks: int = 0
    blocks_verified: int = 0
    checkpoint: dict[str, Any] = field(default_factory=dict)
    proof_verified: bool = False
    alerts: dict[str, int] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    unmapped: int = 0
    urls: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything held that the demo promises."""
        return not self.faults

    def for_machines(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}

    def show(self, console: Console) -> None:
        """A table for people, then what failed."""
        table = Table(title="Balance Chain 天平链", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column()
        new = f"{self.accepted} new, {self.duplicates} known already"
        rows = [
            ("events accepted 接收", new),
            ("of these sealed 封存", str(self.sealed)),
            ("events refused 拒收", str(self.rejected)),
            ("docket entries not mapped", str(self.unmapped)),
            ("blocks 区块", f"{self.blocks}, {self.blocks_verified} recomputed by the verifier"),
            ("checkpoint 检查点", f"size {self.checkpoint.get('size')}, root {self.checkpoint.get('root')}"),
            (
                "proof 存证证明",
                "verified offline, by keys/log.vkey and the witness policy alone"
                if self.proof_verified
                else "NOT VERIFIED",
            ),
            ("alerts by rule 预警", ", ".join(f"{rule} {n}" for rule, n in sorted(self.alerts.items())) or "none"),
            ("planted and not found", ", ".join(self.missed) or "none"),
            ("found and not planted", ", ".join(self.unexpected) or "none"),
            *((f"{name}", url) for name, url in self.urls.items()),
            ("seconds", f"{self.seconds:.1f}"),
        ]
        for name, value in rows:
            table.add_row(name, value)
        console.print(table)
        for fault in self.faults:
            console.print(f"[bold red]fault:[/] {fault}", highlight=False)
