"""What is asked: the questions of a dataset, or built-in ones in English and Chinese."""

import json
import random
from typing import Any

Conversation = list[dict[str, str]]

ENGLISH = (
    "How do I reset my password?",
    "Explain in two sentences what a load test is for.",
    "Write a short reply to a customer whose parcel is late.",
    "What is the difference between latency and throughput?",
    "List three things to check before a server goes into production.",
    "Summarise in one sentence: the meeting moves to Thursday at ten, in room four, and the agenda stays as it was.",
    "Which documents does a new employee have to hand in on the first day?",
    "Translate into Chinese: Please keep this receipt until the goods have been checked.",
)
CHINESE = (
    "如何重置我的密码？",
    "请用两句话说明负载测试的作用。",
    "请给一位包裹迟到的客户写一封简短的回信。",
    "延迟和吞吐量有什么区别？",
    "服务器上线前应当检查哪三件事？",
    "请用一句话概括：会议改到星期四上午十点，地点是四号会议室，议程不变。",
    "新员工入职第一天需要提交哪些材料？",
    "请翻译成英文：请保留此收据，直到货物验收完毕。",
)


def built_in() -> list[Conversation]:
    """English and Chinese questions in turn."""
    pairs = [text for pair in zip(ENGLISH, CHINESE, strict=True) for text in pair]
    return [[{"role": "user", "content": text}] for text in pairs]


def choose(conversations: list[Conversation], count: int, seed: int) -> list[int]:
    """Which conversation each request asks: all of them in a shuffled order, then again."""
    order: list[int] = []
    source = random.Random(seed)
    while len(order) < count:
        order += source.sample(range(len(conversations)), len(conversations))
    return order[:count]


def body(conversation: Conversation, *, model: str, max_tokens: int, seed: int) -> bytes:
    """The request for a conversation, as bytes that are ready before the clock runs."""
    asked: dict[str, Any] = {
        "model": model, "messages": conversation, "max_tokens": max_tokens, "temperature": 0.0, "seed": seed,
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    return json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace")
