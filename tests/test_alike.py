"""Which two questions are taken for one: pairs that a person calls nearly the same, and pairs that are not."""

from tuneloop.evaluate.alike import Questions

NEAR = [  # and what differs
    ("How long are backups kept?", "Hello, how long are backups kept? Thank you!"),
    ("How long are backups kept?", "Could you please tell me how long backups are kept?"),
    ("How long are backups kept?", "How long are backups kept?\n\nPlease answer briefly."),
    ("How long are backups kept?", "Q: How long are backups kept?"),
    ("How long are backups kept?", "So how long are the backups kept?"),
    ("Which permission does an auditor need?", "Which permision does an auditor need?"),
    ("Which permission does an auditor need?", "Which permissoin does an auditor need?"),
    ("Which permission does an auditor need?", "Which permissiom does an auditor need?"),
    ("Which permission does an auditor need?", "Which premission does an auditer need?"),  # two letters
    ("Where is the certificate stored?", "Where is teh certificate stored?"),
    ("Where is the certificate stored on Linux?", "On Linux, where is the certificate stored?"),
    ("How do I rotate a key without a restart?", "Without a restart, how do I rotate a key?"),
    ("How heavy is the PX-40 press?", "How heavy is the PX 40 press?"),
    ("How heavy is the PX-40 press?", "how heavy is the px-40 press"),
    ("What does the alarm code E17 mean?", "I'd like to know what the alarm code E17 means."),
    ("What is the shelf life of the sealant?", "What's the sealant's shelf life?"),  # "of" turned round
    ("Which colour is the warning lamp?", "What color is the warning lamp?"),
    ("How many visitors may enter at once?", "How many visitors are allowed to enter at once?"),  # other words
    ("How do I export a report?", "What is the way to export a report?"),  # other words
    ("When is the invoice due?", "When's the invoice due, please?"),
    ("报销单几天内要交？", "你好，报销单多少天内要交？谢谢！"),
    ("报销单几天内要交？", "我想知道报销单几天内要交。"),
    ("报销单几天内要交？", "請問報銷單幾天內要交？"),
    ("如何导出月报？", "月报怎样导出呢？"),
    ("如何导出月报？", "如何导出月报？请简要回答。"),
    ("如何导出月报？", "导出月报的步骤是什么？"),  # other words
    ("仓库的温度上限是多少？", "问题：仓库温度上限是多少"),
    ("仓库的温度上限是多少？", "仓库的温度上线是多少？"),  # a wrong character
    ("哪个按钮用于急停？", "急停用哪个按钮？"),  # another order of the verb
    ("证书存放在什么地方？", "请告诉我证书存放在什么地方。"),
]
NOT = [
    ("How long are backups kept?", "How long are logs kept?"),
    ("How long are backups kept?", "Where are backups kept?"),
    ("How long are backups kept?", "How long are backups not kept?"),
    ("How do I enable the audit log?", "How do I disable the audit log?"),
    ("How do I start the press?", "How do I stop the press?"), ("Can I upload a plan?", "Can I unload a plan?"),
    ("Which port does the broker use?", "Which host does the broker use?"),
    ("How heavy is the PX-40 press?", "How heavy is the PX-41 press?"),
    ("How heavy is the PX-40 press?", "How heavy is the QX-40 press?"),
    ("What does the alarm code E17 mean?", "What does the alarm code E71 mean?"),
    ("What is the limit of --max-rows?", "What is the limit of --max-cols?"),
    ("When did Marlow join the board?", "When did Barlow join the board?"),
    ("Who is the owner in Halden?", "Who is the owner in Holden?"), ("What is vitamin A?", "What is a vitamin?"),
    ("Is the drug safe for symptomatic patients?", "Is the drug safe for asymptomatic patients?"),
    ("How do I move a file from disk to tape?", "How do I move a file from tape to disk?"),
    ("Does the client trust the server?", "Does the server trust the client?"),
    ("Is the seal checked before the test?", "Is the seal checked after the test?"),
    ("Is nitrate allowed in the water?", "Is nitrite allowed in the water?"),
    ("What is the minimum age?", "What is the maximum age?"),
    ("报销单几天内要交？", "请假单几天内要交？"), ("报销单三天内要交吗？", "报销单五天内要交吗？"),
    ("如何启用审计日志？", "如何停用审计日志？"), ("如何打开阀门？", "如何关闭阀门？"),
    ("仓库的温度上限是多少？", "仓库的温度下限是多少？"), ("仓库的温度上限是多少？", "仓库的湿度上限是多少？"),
    ("甲方可以解除合同吗？", "甲方不可以解除合同吗？"), ("合同法第二十条规定了什么？", "合同法第十二条规定了什么？"),
    ("把数据从内网拷到外网要审批吗？", "把数据从外网拷到内网要审批吗？"),
    ("客户端信任服务器吗？", "服务器信任客户端吗？"),
]  # fmt: skip


def same(one: str, two: str) -> bool:
    return Questions([one]).find(two) == one


def test_most_pairs_that_are_nearly_the_same_are_found_and_none_of_the_others() -> None:
    """The guide states both rates. What is missed says the same in other words, or has a wrong character."""
    found = [same(*pair) and same(*reversed(pair)) for pair in NEAR]
    joined = [pair for pair in NOT if same(*pair) or same(*reversed(pair))]
    assert joined == []
    assert len(NEAR) == len(NOT) == 30 and sum(found) == 23


def test_a_word_that_other_questions_have_is_not_misspelled() -> None:
    known = ["How long is the contention period?", "What is contention?", "Where is the convention held?"]
    assert Questions(known).find("How long is the convention period?") == ""
    assert Questions(known).find("How long is the contantion period?") == known[0]
