"""Word lists: what verbs and nouns of a request or of a tool's name stand for. Plain data, English only.

A word that is missing here costs a question (the call counts as not mentioned), never a leak.
"""

from __future__ import annotations

# effects that tools have, as manifests spell them
EFFECTS = frozenset(
    {
        "read",
        "fetch",
        "create",
        "update",
        "delete",
        "send",
        "share",
        "invite",
        "add",
        "remove",
        "pay",
        "publish",
        "rule",
        "delegate",
    }
)
READS = frozenset({"read"})
INFORMED = frozenset(
    {"read", "fetch", "delegate"}
)  # objects that such a call names only inform: it does nothing to them
DESTRUCTIVE = frozenset({"delete", "remove", "pay", "rule"})
SHARING = frozenset({"send", "share", "invite", "add", "publish"})
WRITES = frozenset({"create", "update"})

# what a verb of the request may be carried out by
VERBS: dict[str, frozenset[str]] = {}


def _verbs(words: str, *effects: str) -> None:
    for word in words.split():
        VERBS[word] = frozenset(effects)


_verbs(
    "send email e-mail mail message dm text reply respond answer tell notify inform remind ping nudge thank contact chase",
    "send",
)
_verbs("forward", "send")
_verbs("write", "send", "create", "update")
_verbs("ask let follow propose suggest confirm apologise apologize congratulate introduce", "send")
_verbs("post announce", "send", "publish")
_verbs("publish upload", "publish", "create")
_verbs("create make draft prepare open start generate", "create")
_verbs("schedule book reserve arrange organise organize plan block hold find setup", "create")
_verbs("set", "create", "update", "rule")
_verbs("turn enable switch", "rule", "update")
_verbs("disable stop clear", "rule", "delete")
_verbs("put", "create", "update")
_verbs("save record log insert", "create", "update")
_verbs("add include", "add", "invite", "create", "update", "share")
_verbs("append attach", "update")
_verbs(
    "update change edit modify move reschedule postpone push shift extend shorten rename mark label tag archive flag star accept decline "
    "complete assign reassign correct fix adjust rsvp react pin replace bring convert translate",
    "update",
)
_verbs("invite", "invite", "add", "create", "update")
_verbs("share grant give", "share", "send")
_verbs("delete trash erase discard purge", "delete")
_verbs("remove drop", "remove", "delete", "update")
_verbs("cancel", "delete", "update")
_verbs("pay transfer wire refund purchase buy send-money settle", "pay")
_verbs("visit browse read summarise summarize look check see review research", "fetch")

# one name for what people call the same thing
NOUNS: dict[str, str] = {}


def _nouns(name: str, words: str) -> None:
    for word in words.split():
        NOUNS[word] = name
        NOUNS[word + "s"] = name


_nouns("email", "email e-mail mail inbox")
_nouns("message", "message reply answer response note notification question update summary greeting feedback")
_nouns("chat", "chat dm slack channel-message")
_nouns("draft", "draft")
_nouns(
    "event",
    "event meeting appointment call invite invitation lunch dinner breakfast coffee 1:1 1on1 one-on-one sync standup stand-up catch-up "
    "catchup interview demo session slot calendar workshop kickoff kick-off retro block minute hour class offsite check-up reminder",
)
_nouns("file", "file document doc spreadsheet sheet folder attachment pdf slide deck list")
_nouns("channel", "channel")
_nouns("user", "user member colleague employee teammate account")
_nouns("participant", "participant attendee guest invitee")
_nouns("webpage", "webpage website page site article url link blog web")
_nouns("task", "task todo to-do ticket card issue")
_nouns("label", "label tag")
_nouns("rule", "rule filter auto-reply autoreply out-of-office ooo vacation-responder responder permission")
_nouns("payment", "payment money transaction invoice bill rent deposit")
_nouns("reservation", "reservation booking hotel flight restaurant table taxi car room")
_nouns("reaction", "reaction emoji")
_nouns("password", "password passcode")
_nouns("contact", "contact")
NOUNS |= {
    "people": "user",
    "person": "user",
    "addresses": "contact",
    "cc": "participant",
    "1-1": "event",
    "everyone": "user",
    "automatic reply": "rule",
    "chat file": "chat file",
}

# which nouns of the request a tool's noun answers to
ANSWERS: dict[str, frozenset[str]] = {
    "email": frozenset({"email", "message"}),
    "message": frozenset({"email", "message", "chat"}),
    "chat": frozenset({"chat", "message", "channel"}),
    "chat file": frozenset({"chat", "message", "channel", "file"}),
    "participant": frozenset({"participant", "event", "user"}),
    "user": frozenset({"user", "participant", "channel", "chat"}),
    "event": frozenset({"event", "participant"}),
    "draft": frozenset({"draft", "email", "message"}),
    "webpage": frozenset({"webpage"}),
    "channel": frozenset({"channel", "user"}),
    "payment": frozenset({"payment"}),
}

# verbs in tools' names
TOOL_VERBS: dict[str, str] = {}
for _effect, _words in {
    "read": "get list search read find check lookup query show view count describe retrieve fetch download export suggest recommend "
    "compute calculate summarize summarise preview freebusy history",
    "send": "send reply forward email message notify respond post",
    "publish": "publish upload",
    "create": "create make new draft schedule book reserve insert write save register generate open duplicate copy",
    "add": "add",
    "invite": "invite",
    "share": "share grant expose",
    "update": "update edit modify rename move reschedule append change mark archive unarchive label accept decline set assign complete star "
    "pin react snooze unmark restore convert resize",
    "delete": "delete cancel trash purge drop destroy erase clear wipe",
    "remove": "remove kick ban revoke unshare uninvite",
    "pay": "pay transfer purchase buy refund withdraw deposit charge donate",
    "fetch": "browse visit navigate crawl scrape",
    "rule": "enable disable configure",
}.items():
    for _word in _words.split():
        TOOL_VERBS[_word] = _effect

MONEY_NOUNS = frozenset({"money", "payment", "transaction", "funds", "invoice", "transfer"})
RULE_NOUNS = frozenset(
    {
        "password",
        "permission",
        "permissions",
        "rule",
        "rules",
        "filter",
        "auto",
        "forwarding",
        "policy",
        "role",
        "roles",
        "webhook",
    }
)
PEOPLE_NOUNS = frozenset(
    {
        "participant",
        "participants",
        "attendee",
        "attendees",
        "user",
        "users",
        "member",
        "members",
        "guest",
        "guests",
        "collaborator",
    }
)
DIRECTORY_NOUNS = frozenset(
    {"people", "person", "users", "user", "directory", "employees", "employee", "colleagues", "members", "staff"}
)

# names of fields and arguments
WHO_ARGS = frozenset(
    "to cc bcc recipient recipients email emails user_email address addresses participant participants attendee attendees user users member "
    "members people person invitee invitees assignee username guests add_attendees payee iban account beneficiary".split()
)
WHERE_ARGS = frozenset("channel channels channel_name group workspace server site_id".split())
URL_ARGS = frozenset("url urls link href website endpoint webhook callback uri".split())
AMOUNT_ARGS = frozenset("amount price sum total value_usd fee".split())
TIME_ARGS = frozenset(
    "date day time start end start_time end_time start_date end_date since until due due_date duration minutes when start_day "
    "new_start_time new_end_time check_in_day check_out_day recurring".split()
)
TEXT_ARGS = frozenset(
    "body content text message description subject comment comments note notes html summary markdown location memo reason purpose details "
    "info caption bio feedback review answer question remark remarks instructions prompt".split()
)
PICK_ARGS = frozenset(
    "permission permissions role access status state priority type kind mode format visibility color colour category order sort language currency "
    "frequency unit limit count page offset cursor scope zone timezone".split()
)
TITLE_ARGS = frozenset("title name subject filename file_name event_name".split())
QUERY_ARGS = frozenset("query q keyword keywords search filter term".split())
AUTHOR_FIELDS = ("from", "sender", "author", "organizer", "owner", "created_by", "user")
READER_FIELDS = (
    "from",
    "sender",
    "to",
    "recipients",
    "recipient",
    "cc",
    "bcc",
    "participants",
    "attendees",
    "members",
    "shared_with",
    "owner",
    "organizer",
)
PARTY_FIELDS = (
    "from",
    "sender",
    "to",
    "recipients",
    "recipient",
    "cc",
    "bcc",
    "participants",
    "attendees",
    "organizer",
    "members",
)
TITLE_FIELDS = ("title", "subject", "name", "filename", "event_name", "channel_name", "summary")

SUPERLATIVES: dict[str, tuple[str, bool]] = {}  # word → (kind of field, whether the greatest is meant)
for _word in "largest biggest heaviest".split():
    SUPERLATIVES[_word] = ("size", True)
for _word in "smallest lightest".split():
    SUPERLATIVES[_word] = ("size", False)
for _word in "latest newest recent last".split():
    SUPERLATIVES[_word] = ("time", True)
for _word in "oldest earliest first".split():
    SUPERLATIVES[_word] = ("time", False)
for _word in "highest most cheapest lowest longest shortest".split():
    SUPERLATIVES[_word] = ("size", _word in ("highest", "most", "longest"))
SUPERLATIVES["next"] = ("future", False)

PLURAL_WORDS = frozenset(
    "each every all everyone everybody both any several multiple them their they those these whoever others team group rest".split()
)
NUMBER_WORDS = {w: n for n, w in enumerate("zero one two three four five six seven eight nine ten".split())} | {
    "a": 1,
    "an": 1,
    "single": 1,
}
# the words send the reader to some record for what to do
DELEGATION = (
    r"(?:do|perform|complete|follow|carry out|execute) (?:all )?(?:of )?(?:the|my|these|those) (?:\w+ )?(?:actions|tasks|steps|instructions|todos?)\b"
    r"(?! in the order)",
    r"\b(?:actions?|tasks?|steps?|instructions?|details|person|people|everyone|everybody|those|colleagues?|clients?)\b[^.]{0,30}"
    r"\b(?:specified|described|mentioned|listed|given|written) (?:in|on)\b",
    r"\b(?:todo|to-do|to do) list\b",
    r"\b(?:find|get|take) (?:the )?(?:details|instructions)\b",
    r"\binstructions (?:in|from|on)\b",
)
# the words say that an address stands in a record
ADDRESS_POINTERS = (
    r"\b(?:address|addresses|contact|contacts|recipients?|e-?mail)\b[^.]{0,25}\b(?:in|from|on|mentioned|given|found) (?:the|his|her|their|my|its|\w+['’]s)\b",
    r"\bfind (?:his|her|their) (?:e-?mail|address|contact)",
)
STOP = frozenset(
    "a an the of for to in on at by with from and or but if is are was were be been do does did please my me i your you our we us it its this that "
    "these those there here which who whom what when where why how can could would should will shall may might must not no yes so as also then "
    "them they he she his her hers him their about into out up down over under again more most some any all each every other than too very just "
    "own same s t don now have has had having get got send find show give tell make create please email mail message messages emails calendar event "
    "events file files meeting channel day today new content text subject name user id url list".split()
)  # words that designate nothing by themselves
PUBLIC_MAIL = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com yahoo.com icloud.com me.com aol.com gmx.de gmx.net web.de proton.me protonmail.com "
    "mail.com yandex.com zoho.com fastmail.com hey.com".split()
)
