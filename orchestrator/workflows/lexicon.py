"""The matcher's English: which words mean one thing, which mean nothing, and which turn a request around. Data, and nothing else.

`ACTIONS` count only where a verb can stand; `THINGS` anywhere (a plural has its own name, with "+"); `IDIOMS` are patterns over
the masked text (mentions are \\0), tried first and in order; `MARKS` change a meaning and must be known to a workflow by its own
examples; `FUNCTION` words carry nothing here. A word in none of them is a leftover word, and the matcher abstains on it.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_ANSWERED = r"(?:answer(?:ed)?|repl(?:y|ied)|respond(?:ed)?|react(?:ed)?|(?:got|gotten|get|came|come) back|(?:written|write|wrote) back|heard back|hear back)"
_TO_ME = r"(?: (?:to|on|from|about))?(?: (?:me|us|it|them|anyone|anybody))?(?: (?:so far|yet))?"
_DID_NOT = r"(?:(?:has|have|had|did|does|do)(?: not|n't)|hasnt|havent|didnt|never|not|yet to|still to|failed to)(?: (?:ever|yet|even|really|bothered to))*"
_REPLY = r"(?:an? |any |the |their )?(?:reply|replies|response|responses|answer|answers|reaction)(?: back)?"
_PEOPLE = r"(?:everyone|everybody|people|them|(?:all )?(?:the )?(?:others|other attendees|attendees|participants|group|team|guests|invitees|people))"
_ALL = r"(?:we|they|everyone|everybody|all of us|all of them|us all|us both|both of us|the (?:whole )?(?:group|team|lot)|all|both)"

# Pattern over lower-case text without accents, mentions masked -> what it means ("!": an action). "": nothing of its own.
IDIOMS: tuple[tuple[str, str], ...] = (
    # asking nicely, and what only sounds like asking
    (r"(?:many )?(?:thanks|thank you|thx)(?: (?:a lot|so much|very much|again))? for(?= [a-z]+ing)", "!thank"),
    (r"(?:talk|speak|chat|think|discuss|talking|thinking)(?: about)?(?= [a-z]+ing (?:the|my|our|a) )", "!talk-of"),
    (
        r"(?:it'd|it would|that'd|that would) be (?:great|nice|good|lovely|helpful|awesome|wonderful|fantastic|amazing|super)(?: if you (?:could|can|would))?",
        "",
    ),
    (
        r"(?:is there )?any (?:chance|way|possibility)(?: that)? you (?:could|can|might|would)|do you think(?: that)? you (?:could|can|might)|(?:might|may|would|could|will) you be (?:able|willing|happy|so kind as) to",
        "",
    ),
    (
        r"(?:i'd|i would)(?: be)? (?:(?:very|so|really|most|greatly|much) )*(?:grateful|thankful|obliged|happy|glad|appreciate it) if you (?:could|can|would)",
        "",
    ),
    (
        r"if (?:you (?:wouldn't|would not|don't|do not) mind|it(?:'s| is) not too much (?:trouble|to ask)|that(?:'s| is) (?:ok|okay|alright))",
        "",
    ),
    # phrases that would otherwise be read in pieces
    (r"(?:i (?:need|want|would like|'d like) to know|let me know|tell me)(?= (?:when|what|which|who|how))", "!show"),
    (r"(?:write|send|give) (?:\0+ |her |him )?an? (?:reply|answer|response)(?: to)?", "!reply"),
    (r"(?:give|giving|extend|extending) (?:\0+ |her |him |them )?an? (?:[a-z]+ )?welcome", "!welcome"),
    (r"(?:i|we) (?:don't|do not|no longer)(?: really)? need", "unneeded"),
    (r"(?:that |when |where |which )i (?:can|could) (?:meet|talk|do|speak)", "my-availability"),
    (r"(?:suits?|fits?)(?= \0)", "works-for-all"),
    (
        r"(?:in|on|onto|into|from) (?:my|our|the|both our|everyone's|everybody's|both|all our) ?(?:calendars?|diar(?:y|ies))(?: of)?",
        "",
    ),
    (r"about an? (?:mail|e-?mail)", "some-mail"),
    (r"(?:invoice|bill) (?:mail|e-?mail)", "invoice"),
    (
        r"(?:mail|e-?mail) (?:with|containing|that has) (?:the |an? |her |his )?(?:last |latest |newest |most recent )?(?:invoice|bill)(?: attached)?",
        "invoice",
    ),
    # who owes whom an answer
    (
        rf"(?:i|we)(?:'ve| have)?(?: still)?(?: not|n't| haven't| have not| didn't| did not| never)(?: yet| ever)* {_ANSWERED}(?: to)?(?: yet)?",
        "owed-by-me",
    ),
    (
        rf"(?:i )?(?:still )?(?:need|have|ought) to (?:answer|reply|respond)(?: to)?|(?:is |are |that's |still )?wait(?:s|ing)? (?:on|for) (?:me|my {_REPLY})|(?:needs?|requires?|expects?|awaits?|awaiting|wants?|expecting|needing) (?:my (?:attention|reply|answer|response|input)|{_REPLY} from me|me)|i (?:still )?owe (?:people |someone |somebody )?{_REPLY}(?: to)?",
        "owed-by-me",
    ),
    (
        r"(?:i|we)(?: haven't| have not|'ve not| hadn't| never| didn't| did not| have never|'ve never)(?: yet| ever| even)* (?:read|opened|seen|looked at|gotten to|got to|open)(?: yet)?|(?:haven't|have) i (?:not )?(?:read|opened|seen)(?: yet)?|not(?: yet)? (?:read|opened)(?: yet)?(?: by me)|not yet (?:read|opened)|yet to be (?:read|opened)",
        "unread",
    ),
    (
        rf"(?:to which |where |that |which |who |and )?(?:nobody|no one|no-one|noone|none of them)(?:'s| has| have| ever| yet| even| bothered to)* {_ANSWERED}{_TO_ME}",
        "unanswered",
    ),
    (
        rf"(?:that |which |who |whom |and )?(?:(?:people|they|she|he|i|we)(?:'ve)? )?{_DID_NOT} (?:{_ANSWERED}|heard(?: anything)?|been answered|been replied to|(?:got|gotten|get|had|received|receive|seen) {_REPLY}){_TO_ME}",
        "unanswered",
    ),
    (
        r"(?:that |which )?(?:got|had|have|has|received|with|are|were)?(?: still)? ?(?:without|no|zero|nil) (?:an? |any )?(?:reply|replies|response|responses|answer|answers|reaction)(?: back)?(?: (?:from|to|on))?(?: (?:anyone|me|them|it))?(?: so far| yet)?",
        "unanswered",
    ),
    (
        r"(?:still )?(?:unanswered|unreplied|(?:awaiting|waiting for|waiting on|pending|await) (?:an? |their |any )?(?:reply|replies|response|responses|answer|answers)|(?:has |have |that |which )*(?:gone|went|go) (?:quiet|silent|cold|unanswered)|ignored(?: me)?|left hanging|owes? me (?:still )?(?:an? )?(?:reply|answer|response))(?: from)?",
        "unanswered",
    ),
    (
        r"(?:that |which )?(?:i|we)(?: have|'ve)?(?: already)? (?:sent|wrote|written|emailed|mailed)(?: out)?|my sent|sent by me|(?:in|from) my sent (?:items|folder|mail|box)",
        "sent-by-me",
    ),
    (
        r"(?:that |which )?(?:she|he|they)?(?:'s| has| have|'ve)? ?(?:just )?(?:sent|wrote|written|emailed|mailed) (?:to )?(?:me|us)(?: over)?|(?:she|he|they)(?: just)? (?:sent|wrote)",
        "sent-by-them",
    ),
    # invitations, presence, asking nicely
    (
        r"send(?:ing)? (?:(?:her|him|them|us|everyone|everybody|all|out) )*(?:an? |the |out )*(?:calendar |meeting )?(?:invite|invitation)s?"
        r"(?: (?:to|out))?(?: (?:her|him|them|everyone|everybody|all))?",
        "!invite",
    ),
    (
        r"(?:i|we) (?:won't|will not|can't|cannot|can not|couldn't)(?: be able to)? (?:attend|make|join|come(?: to)?|be there(?: for)?)(?: it)?(?: to)?",
        "",
    ),
    (r"(?:on|over|by) (?:the )?(?:phone|telephone|video|zoom|teams)", ""),
    (r"(?:that |which )?(?:i|we)(?:'ve| have)?(?: just)? (?:received|got)", ""),
    (
        r"(?:is there )?anything (?:(?:i|we) (?:should|need to|must|ought to) (?:know|be aware of)(?: about)?|important|urgent|planned|scheduled|going on)",
        "!what",
    ),
    (r"(?:can|could|may) (?:i|we)(?: please)? (?:get|have|see)", "!show/schedule/find"),
    (r"(?:all |the )?(?:at the )?same time", "same-time"),
    (r"(?:have |has )?in common(?: with (?:me|us))?", "works-for-all"),
    (r"so (?:that )?(?:she|he|they) can (?:approve|sign|pay|process|check) it", "approver"),
    (r"all (?:be )?(?:do|make|meet|free|available|make it)", "works-for-all"),
    # telling people
    (
        rf"(?:let|letting) {_PEOPLE}(?: else)? know(?: about it| that| why)?|(?:tell|telling|inform|informing|notify|notifying|update|updating|warn|warning) {_PEOPLE}(?: about (?:it|that|this)| why)?(?: too| as well)?",
        "tell-attendees",
    ),
    (
        r"(?:let|letting) (?:her|him|them) know(?: the| about the)? (?:time|slot|date|when)(?: it is)?|(?:tell|telling) (?:her|him|them) (?:the (?:time|slot|date)|when)(?: it is)?|(?:reply|replying|answer|answering|respond|responding|get back|getting back|write back|writing back|email back|mail back)(?: to)?(?: (?:her|him|them))? (?:with|naming|confirming) (?:the|that|a) (?:time|slot|date)|confirm(?:ing)? the (?:time|slot|date)(?: (?:to|with) (?:her|him|them))?",
        "tell-time",
    ),
    (
        r"(?:let|letting) (?:her|him) know(?: about it| that| why)?|(?:tell|telling|inform|informing|notify|notifying) (?:her|him)"
        r"(?: about (?:it|that|this)| why)?(?: too| as well)?",
        "tell-attendees",
    ),
    (
        r"in (?:the|that|this|same|her|his|their|the same|the original) (?:mail |email |e-mail )?(?:thread|conversation)",
        "in-thread",
    ),
    # when people can
    (
        rf"(?:that |which )?(?:works?|suits?|fits?|is (?:good|ok|okay|fine|convenient)|are good)(?: well)? (?:for )?(?:{_ALL}|us|her|him|them|each of us)",
        "works-for-all",
    ),
    (
        rf"(?:when |where )?{_ALL}(?:'re| are| is| can| could)?(?: all| both)? (?:be )?(?:free|available|make it|meet|around|make time)|(?:are|is|can|could) {_ALL}(?: all| both)? (?:be )?(?:free|available|around|meet|make it|make time)",
        "works-for-all",
    ),
    (
        r"(?:when |times |slots |time slots |hours )(?:that |when |which |where )?i(?:'m| am| would be|'d be| could be| can be)(?: next| also)? (?:free|available)|(?:when |times |slots |that )?i (?:can (?:do|make|meet|talk)|have (?:free|time|open|room|gaps?|availability))(?= *(?:[.,?!]|$|\0|in|on|next|this))|(?:when |times |slots )?i can(?= *(?:[.,?!]|$))|when i (?:can|could) (?:meet|talk|make it|do it|speak)|my (?:own )?(?:availability|availabilities|free (?:time|times|slots?|gaps|windows?)|open (?:slots?|times?|windows?)|available (?:times?|slots?))|(?:that |which |what )?(?:works?|suits?) (?:for )?me",
        "my-availability",
    ),
    (r"(?:that |which )?(?:works?|suits?|fits?)(?: well)? for(?! me(?!\w))", "works-for-all"),
    # the day
    (
        r"(?:catch|bring|get) me up(?: to (?:speed|date))?(?: on| with)?|fill me in(?: on)?|(?:run|walk|talk|take) me through|brief me(?: on| for| about)?|get me ready(?: for)?|prep(?:are)? me(?: for)?",
        "!brief",
    ),
    (
        r"what(?:'s| is| does| do| have i got| are)?(?: there| waiting| happening| up| on| coming up| ahead| in store)*(?: for me)?(?: (?:on|in) (?:my|the) (?:plate|agenda|calendar|schedule|diary))|what(?:'s| is) (?:on|up|ahead|in store|happening|coming up|waiting)(?: for me)?|what (?:do i have|have i got)(?: on| going on| coming up| planned| lined up)?|(?:how|what)(?:'s| is| does| do) (?:my|the) day (?:look(?:ing)?|be)(?: like)?|what(?:'s| is| does) my day(?: look)?(?: like| hold)?|what my day (?:looks like|holds)",
        "!what",
    ),
    (r"what(?:'s| does| will| is) (?:my )?\0+ (?:look(?:ing)?|be|hold)(?: like)?(?: for me)?", "!what"),
    (r"what (?:needs|requires|deserves) my attention|what i (?:need to|should|must) know", "!what"),
    (
        r"did (?:we|they|the team|people|everyone) (?:decide|agree|conclude|settle|reach|make|take|come to)(?: on| upon| to)?|(?:decisions?|conclusions?|agreements?) (?:have|did|has) (?:we|they|the team|people|you) (?:take|taken|make|made|reach|reached)|(?:(?:were|was|we|have|we've|been|got|get|the team|they|people|us) )*(?:decided(?: on| upon)?|agreed(?: on| upon| to)?|concluded|settled(?: on)?|resolved)|(?:decisions?|agreements?|conclusions?) (?:were |was |have been |got |we |they |we've )*(?:made|taken|reached|come to)",
        "decision",
    ),
    (
        r"(?:@-?)?mention(?:s|ed|ing)?(?: of)?(?: me)?|(?:i was|i'm|i've been|i got|someone|somebody|people|anyone)(?: been)? (?:tagged|pinged|@-?ed)(?: me)?|tagged me|pinged me|my name (?:came|comes) up",
        "mentions",
    ),
    # newcomers, absence, cover
    (
        r"(?:our |the |a )?(?:brand[- ])?(?:new|newest|fresh|recent|latest) (?:hire|joiner|starter|recruit|arrival|colleague|coworker|co-worker|employee|team ?mate|team member|face|addition|analyst|developer|engineer|designer|manager|person|member|one)(?: (?:on|in|to|of) (?:the|our) team)?|newcomer|newbie|who(?:'s| is| has)?(?: just)? (?:joined|joins|starting|starts|joining|started|new)(?: us| here| with us)?|(?:is |are |has |just |who )*(?:starting|joining|joins|joined|starts|started)(?: us| the (?:team|company)| here| with us)?|(?:is )?new (?:here|on the team|to the (?:team|company))|(?:her|his|their) first (?:day|week)",
        "newcomer",
    ),
    (
        r"(?:i(?:'ll| will) be |i'm |i am |being )?out[- ]of[- ](?:the[- ])?office|ooo|o\.o\.o\.?|auto[- ]?(?:reply|responder|response|replies)|automatic (?:reply|response)|vacation (?:responder|reply|message|notice|mode)|away (?:message|notice|mode)|holiday (?:mode|notice|message|reply)|absence (?:note|notice|message)",
        "absence",
    ),
    (
        r"(?:i'm|i am|i'll be|i will be|when i'm|while i'm|me)(?: going(?: to be)?| off)? (?:as )?(?:away|off|out|gone|on (?:holiday|holidays|leave|vacation|pto|annual leave|parental leave)|on a (?:trip|break)|absent|travelling|traveling|taking (?:time|days|leave) off)",
        "absence",
    ),
    (
        r"(?:my |the )?(?:holidays?|vacation|leave|time off|days off|pto|annual leave|absence|absent|away|time away)",
        "absence",
    ),
    (
        r"(?:who )?(?:(?:is|will be|will|'ll|'s|as|being|be) )?(?:my |the |a )?(?:covering|cover|covers|covered|stand-?in|standing in|stands in|stand in|stepping in|steps in|step in|filling in|fills in|fill in|deputising|deputises|deputizing|deputizes|deputise|deputize|(?<=my )deputy|(?<=as )deputy|back-?up|backing (?:me )?up|backs me up|substitut(?:e|es|ing)|replacement|holding the fort|holds the fort|taking over|takes over|take over|looking after things|looks after things|in charge)(?: for me| my (?:work|stuff|things|desk))?",
        "cover",
    ),
    # senders
    (
        r"(?:(?:grouped|sorted|broken down|split|organi[sz]ed|listed|arranged|bundled|clustered|ordered|sort it|separated) )?(?:by|per|for each|according to) (?:each )?(?:the )?(?:sender|senders|person|author|who (?:sent|wrote|it's from|they're from|it is from|they are from|it came from|sent (?:it|them)))(?: (?:it|them))?",
        "by-sender",
    ),
    (
        r"(?:from|by|and) (?:whom|who)|who (?:it(?:'s| is)|they(?:'re| are)|it came|they came|each (?:one )?(?:is|came)) from|who(?:'s| has| is)? (?:wrote|sent|emailed|mailed|written|writing)(?: to)?(?: me)?(?: what)?",
        "by-sender",
    ),
    # money
    (
        r"for (?:approval|sign-?off|payment|processing|authori[sz]ation)|to (?:be )?(?:approved?|sign(?:ed)?[- ]?off|authori[sz]ed?)|(?:the |our )?(?:invoice |bill |payment )?approver|(?:to |for )?(?:whoever|whomever|the (?:right |usual |responsible )?(?:person|colleague|one) (?:who|that)|who|that) (?:approves|signs off(?: on)?|pays|handles|authori[sz]es)(?: invoices| bills| payments| them| those| it| our invoices| our bills)?|accounts payable",
        "approver",
    ),
    (
        r"(?:with|that (?:has|had|contains|carries|came with)) (?:an? |the |her |his |their )?(?:attached )?(?:invoice|bill)(?: attached| attachment| in it| on it)?",
        "invoice",
    ),
    # places and politeness
    (r"pointing (?:people |everyone |them )?(?:to|at)", ""),
    (
        r"(?:(?:in|on|onto|into|to|from|out of) )?(?:my|our|the|both our|everyone's|everybody's|both|all our) ?(?:calendars?|diar(?:y|ies))",
        "calendar",
    ),
    (
        r"right (?:now|away)|straight ?away|at (?:your|the) earliest convenience|when(?:ever)? you (?:can|get a (?:chance|moment|minute)|have a (?:moment|minute|sec|second))|if you (?:can|could|would|don't mind|please|get a (?:chance|moment))|as soon as you can|thanks in advance|thank you(?: very much| so much)?|many thanks|thanks(?: a lot| so much| a million)?|for me(?= |$|[.,?!])|would you mind|do me a favou?r(?: and)?|be so kind(?: as to| and)?|would be (?:great|nice|good|lovely|helpful)|i'd appreciate (?:it|that)|good (?:morning|afternoon|evening|day)(?= *,)|if possible|of course|go ahead and|go and|make sure (?:to|that|you)|be sure to|it(?:'s| is) time to|can you help me(?: to)?|help me(?: to)?|i(?:'d| would) (?:like|love|want)(?: you)? to|i (?:need|want|have|wish)(?: you)? to|we (?:need|want|have|ought) to|i was hoping (?:you could|to)|i must|we must|i can't make(?: it to)?|we should|would it be possible to|is it possible to|how about|time to",
        "",
    ),
    # shapes of things
    (
        r"(?:my|our)(?: own)? (?:very )?(?:last|latest|newest|most recent|recent|previous|first|original|earlier) (?:e-?mail|mail|message)s?(?: to)?",
        "my-mail",
    ),
    (r"(?:most |very )?(?:last|latest|newest|recent|most[- ]recent|freshest)", "last"),
    (r"(?:one[- ](?:to|on)[- ]one|1 ?[:.] ?1|1on1|1-to-1|1-on-1|1-1)s?", "meeting"),
    (r"(?:go|talk|run|walk|work)(?:ing)? (?:over|through)", "meeting"),
    (r"catch[- ]?ups?|check[- ]ins?(?! (?:with|on))|touch base|sit[- ]down|get[- ]togethers?|meet[- ]?ups?", "meeting"),
    (
        r"(?:video|phone|zoom|teams|online|voice|google meet|virtual|telephone|intro|introductory|status)[ -](?:call|meeting|chat|conference|sync)|calendar (?:entry|invite|invitation|event|item|block|hold)|meeting invit(?:e|ation)",
        "meeting",
    ),
)

# Words for actions; only where a verb can stand.
ACTIONS: dict[str, str] = {
    "invite": "invite | send an invite | send an invitation | send invites | send invitations | send out invites | "
    "send out an invite | send out invitations | send the invite | send the invitation | send a calendar invite | send out the invite",
    "meet": "meet | meet with | get together",
    "schedule": "schedule | add | book me in | set up | setup | set | set me up | arrange | organise | organize | book | book in | plan | put in | put | fix up | fix | line up | "
    "pencil in | pencil | lock in | lock | create | grab | block | block out | block off | reserve | get | get me | get us | make | "
    "slot in | slot | hold | host | set aside | carve out | sort out | sort | throw | pop | squeeze in | squeeze | stick | drop | call in | convene",
    "find": "find | find me | find us | look for | search for | search | look up | seek | figure out | work out | identify | come up with | check | check for | spot | pick | pick out | locate | determine | hunt down",
    "show": "show | show me | list | list me | display | tell me | give me | pull up | pull | pull together | put together | compile | collect | gather | report | present | print | read me | read out | bring up | fetch | prepare | get me | get | share with me",
    "suggest": "suggest | propose | recommend",
    "cancel": "cancel | call off | scrap | scratch | axe | kill | drop | bin | nix | abandon | get rid of | take off | clear",
    "delete": "delete | remove | take out | erase",
    "move": "move | swap | reschedule | shift | push | push back | push out | push off | postpone | delay | put off | bring forward | pull forward | pull in | bump | rebook | re-book | defer | "
    "change | change the time of | relocate | slide | reschedule | swing | bring | put back | put | rearrange | transfer | adjourn",
    "reply": "reply | reply to | respond | respond to | answer | write back | write back to | get back to | email back | mail back | come back to | send back | reply back",
    "send": "send | send out | send off | send over | email | mail | e-mail | write | drop | shoot | fire off | message | write to | send a mail | give",
    "forward": "forward | forward on | pass on | pass along | pass | hand on | hand over | relay | send on | fwd | route | send over | send along | get",
    "post": "post | publish | put | drop | share | paste | copy | put up | send | push | dump | upload | stick | announce | circulate | get | pop | add",
    "chase": "follow up | follow up on | follow up with | follow-up | chase | chase up | chase down | nudge | ping | poke | prod | remind | check in | check in on | check in with | check back | circle back | circle back on | send a follow-up | "
    "send follow-ups | send follow ups | send a follow up | send a reminder | send reminders | send a nudge | send a gentle nudge | send a gentle reminder | send a polite reminder | send a short follow-up | send gentle reminders | send polite reminders | write a follow-up | get back in touch | get in touch again | bump",
    "brief": "brief | summarise | summarize | recap | sum up | outline",
    "group": "group | break down | organise | organize | arrange | split | bundle | cluster | sort | sort out | order | categorise | categorize | bucket",
    "enable": "set | set up | setup | turn on | switch on | activate | put on | enable | put | arrange | organise | organize | sort out | schedule | create | add | configure | mark | block | block out | block off | prepare | make | handle | take care of | book | get | note | register | announce | start | put up | mark me | put me | set me",
    "welcome": "welcome | extend a welcome | onboard | give a warm welcome | give a welcome | roll out the welcome mat | say welcome to | kick off onboarding | do the welcome | roll out the welcome | run the welcome | start the welcome | "
    "get settled in | get onboarded | get started | help settle in",
    "count": "count | tally | how many",
    "start": "start | begin | kick off",
    "offer": "offer",
    "greet": "greet | say hello to | say hi to | introduce",
    "go-on": "move on | go on | carry on",
    "need": "need | want | like | wish",
    "have": "have",
    "do": "do",
    "what": "what | which",
    "call": "call | phone | ring | dial | call up | give a call | give a ring",
    "welcome-back": "welcome back",
    "mail": "mail | email | e-mail | message",
}

# Words for things; a trailing + marks the plural.
THINGS: dict[str, str] = {
    "meeting": "meeting | something | call | chat | sync | appointment | session | event | invite | invitation | huddle | conversation | talk | speak | discuss | discussion | catchup | videocall | meetup | mtg | ring | powwow | entry",
    "mail": "mail | email | e-mail",
    "message": "message",
    "thread": "thread",
    "inbox": "inbox | mailbox",
    "unread": "unread | unopened | unseen",
    "slot": "slot | time | gap | opening | window | spot | availability | option | timeslot | block | moment",
    "free": "free | available | common | shared | mutual | open | joint | mutually",
    "notes": "notes | minutes | write-up | writeup | takeaways | protocol | meeting-notes",
    "decision": "decision | conclusion | outcome | agreement | resolution | verdict",
    "invoice": "invoice | bill",
    "attachment": "attachment | attached | pdf | file | document",
    "sender": "sender",
    "brief": "brief | briefing | overview | rundown | digest | run-down | roundup | round-up | summary | recap | agenda | outlook | lowdown | snapshot | synopsis | outline | breakdown | list",
    "day": "day | schedule | agenda | plate | morning",
    "followup": "follow-up | followup | reminder | nudge | chaser | ping",
    "team": "team",
    "group": "everyone | everybody | group | all of us | the lot | attendees | participants | colleagues | people",
    "channel": "channel",
    "welcome": "welcome | onboarding | introduction",
}

# Words that change a meaning; each stands for itself and must occur in an example of the workflow.
MARKS: dict[str, str] = {
    "not": "not | don't | dont | do not | never | no | none | nobody | nothing | neither | nor | cannot | can't | won't | doesn't | didn't | isn't | aren't | wasn't | haven't | hasn't | shouldn't | wouldn't | couldn't | stop | avoid | skip | refrain | hold off | without",
    "except": "except | excluding | apart from | other than | unless | but | instead | rather | rather than | besides | minus | however | although | though | otherwise | else",
    "question": "have you | has she | has he | have they | have i | had you | did you | do you | are you | were you | have we",
    "future": "will be | going to be | will we",
    "maybe": "maybe | perhaps | might | probably",
    "if": "if | whether | in case | provided | assuming | as long as | depending | should | would it | suppose | only",
    "or": "or | either | versus | vs",
    "all": "all | every | each | any | whichever | entire | whole | both",
    "first": "first | oldest | earliest | soonest | second | third | previous | earlier | other | another | old | original",
    "again": "again | weekly | daily | monthly | recurring | recurrent | regular | regularly | every day | always | series | repeatedly | twice | biweekly | fortnightly | quarterly | annual | yearly | standing | permanently | forever",
    "past": "cancelled | canceled | moved | booked | scheduled | rescheduled | sent | arranged | organised | organized | forwarded | posted | deleted | shifted | postponed | replied | welcomed | set-up | was | were | had | used | already | did",
    "later": "then | afterwards | after that | later | once | when | whenever | until | till | also | too | as well | plus | additionally | before | after | while | meanwhile",
    "draft": "draft | template | example | pretend | simulate | imagine | test | dry run | explain | describe | translate | undo | revert | restore | ask | request | wonder | wondering | think | consider | remember | remind me | teach | learn | why | how | who | where | does | could i | can i | may i | am i | is it | is there | are there | did",
}

FUNCTION = words(
    """
    w/ w a an the to of for with and in on at by from about re regarding concerning that this these those it its it's
    there here me my mine myself i i'm i'd i'll i've we us our we're we'd we'll you your you'd yours she he they
    her his hers their theirs them him she's he's they're is are be been being am do does have has get got will
    would could can may  shall please pls plz kindly hi hello hey dear deputy thanks thank cheers ok okay
    so just simply quickly quick quickly short brief little small nice friendly polite gentle kind kindly
    politely gently warm proper good some one ones as if's let's let lets up into onto via over through around
    within during over out s 'd 'll 're 've m t ll now currently possible possibly   ideally soon
    time's next asap urgently great best suitable convenient right really actually which who whom what what's
    where's when's than like love would'd want wants need needs needed appreciate able  sure yes well long
    which's each other's one's own because since due new-ish today's together between among amongst currently
    still yet ever far   topic       further long-ish lasting
    length duration total attend attending join coming come upcoming set's minute-long short-ish quick-ish
    straight back via
    enough plenty sufficient few couple several some lately recently everything's usual standard normal received naming listing giving stating including proper
    """
)

# Heads of a meeting's title that need no "meeting" after them.
TITLES = words(
    """
    standup stand-up review retro retrospective planning kickoff kick-off demo interview workshop training
    webinar check-in checkin all-hands offsite lunch coffee   roundtable briefing debrief
    presentation 1:1 seminar townhall town-hall grooming refinement walkthrough brainstorm brainstorming
    onboarding check rehearsal prep audit forecast pitch negotiation steering committee board rehearsal orientation hackathon sprint
    """
)
