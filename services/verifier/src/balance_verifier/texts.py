"""Every word of the pages, in Chinese and English."""

from __future__ import annotations

from typing import Final

from balance_chain.web.pages import Language

TEXTS: Final[dict[str, dict[Language, str]]] = {
    "title": {"zh": "天平链核验", "en": "Balance Chain verifier"},
    "about": {
        "zh": "本服务从事件原始字节重新计算每个区块、每个检查点，不采信任何他人给出的哈希。"
        "查询一个事件，可看到它走到哪一步，并下载可离线验证的证明。封存不等于真实：证明只说明封存后未被改动。",
        "en": "This service recomputes every block and checkpoint from the events’ exact bytes and trusts no hash "
        "that it has not made itself. Look up an event to see how far it has come, and download a proof that checks "
        "offline. Sealed does not mean true: a proof shows only that nothing was changed after sealing.",
    },
    "status": {"zh": "状态", "en": "Status"},
    "shard": {"zh": "分片", "en": "Shard"},
    "events": {"zh": "事件", "en": "Events"},
    "sealed": {"zh": "已封入区块", "en": "In blocks"},
    "blocks": {"zh": "已重算区块", "en": "Blocks recomputed"},
    "covered_blocks": {"zh": "检查点覆盖的区块", "en": "Blocks under the checkpoint"},
    "received_to": {"zh": "账本时间", "en": "Ledger time"},
    "findings": {"zh": "发现的问题", "en": "Faults found"},
    "total": {"zh": "合计", "en": "Total"},
    "log_size": {"zh": "全局日志条目", "en": "Entries in the log"},
    "log_root": {"zh": "日志根哈希", "en": "Root of the log"},
    "log_follows": {"zh": "承接前一日志（名称·条目数·根哈希）", "en": "Follows the log (name · entries · root)"},
    "log_ended": {"zh": "日志状态", "en": "State of the log"},
    "log_ended_text": {"zh": "已冻结，不再增长", "en": "Ended for ever: nothing is sealed after it"},
    "no_log": {"zh": "尚未核验到第一个检查点。", "en": "No checkpoint has been verified yet."},
    "lookup": {"zh": "查询", "en": "Look up"},
    "by_event": {"zh": "按事件编号", "en": "By event"},
    "by_case": {"zh": "按案号", "en": "By case number"},
    "by_digest": {"zh": "按文件摘要", "en": "By file digest"},
    "source": {"zh": "来源（URI）", "en": "Source (URI)"},
    "id": {"zh": "事件编号", "en": "Event id"},
    "caseid": {"zh": "案号", "en": "Case number"},
    "algorithm": {"zh": "摘要算法", "en": "Digest algorithm"},
    "digest": {"zh": "摘要（十六进制）", "en": "Digest (hex)"},
    "find": {"zh": "查询", "en": "Find"},
    "home": {"zh": "返回首页", "en": "Back to the start"},
    "event": {"zh": "事件", "en": "Event"},
    "type": {"zh": "类型", "en": "Type"},
    "time": {"zh": "发生时间", "en": "Happened at"},
    "received": {"zh": "收到时间", "en": "Received at"},
    "state": {"zh": "进度", "en": "State"},
    "state_received": {"zh": "已收到，尚未封入区块", "en": "received, not yet in a block"},
    "state_sealed": {"zh": "已封入区块，检查点尚未覆盖", "en": "in a block that no checkpoint covers yet"},
    "state_covered": {"zh": "已封入区块，并由签名检查点覆盖", "en": "in a block under a signed checkpoint"},
    "not_counting": {"zh": "此记录不计入账本", "en": "this record does not count"},
    "block": {"zh": "区块", "en": "Block"},
    "height": {"zh": "高度", "en": "height"},
    "block_time": {"zh": "区块时间", "en": "Time of the block"},
    "place": {"zh": "位置", "en": "Place"},
    "offset": {"zh": "偏移", "en": "offset"},
    "leaf": {"zh": "叶子哈希", "en": "Leaf hash"},
    "content": {"zh": "封存内容", "en": "What is sealed"},
    "proof": {"zh": "证明", "en": "Proof"},
    "download": {"zh": "下载证明文件", "en": "Download the proof"},
    "certificate": {"zh": "存证证明", "en": "Certificate"},
    "not_yet": {
        "zh": "尚无：检查点覆盖后即可下载。",
        "en": "not yet: it can be made once a checkpoint covers the block.",
    },
    "how": {
        "zh": "离线验证只需日志公钥，不需要信任本网站：",
        "en": "Checking it offline needs the log’s public key alone, not this site:",
    },
    "timeline": {"zh": "案件时间线", "en": "Timeline of the case"},
    "digest_events": {"zh": "提及该文件摘要的事件", "en": "Events that name this file digest"},
    "more": {"zh": "下一页", "en": "Next page"},
    "none": {"zh": "账本中没有（或尚未收到）所查的内容。", "en": "The ledger does not have what you asked for (yet)."},
    "empty": {"zh": "请填写一种查询条件。", "en": "Fill in one of the forms."},
    "expected": {"zh": "应为", "en": "Expected"},
    "got": {"zh": "实为", "en": "Found"},
    "what": {"zh": "问题", "en": "Fault"},
    "all_findings": {"zh": "最近发现的问题", "en": "Latest faults"},
    "checkpoint": {"zh": "检查点", "en": "Checkpoint"},
    "public_keys": {"zh": "公钥", "en": "Public keys"},
}
