"""What people of the office write to each other. {braces} are filled with names, projects, days and amounts."""

from __future__ import annotations

from collections.abc import Sequence

# (subject, opening, answers in turn)
COLLEAGUES: Sequence[tuple[str, str, Sequence[str]]] = (
    (
        "{project}: scope for the next release",
        (
            "Hi {to},\n\nI went through the list for {project}. We can ship the export and the new alarms, but not the map view. "
            "Is that fine with you?\n\n{me}"
        ),
        (
            "Hi {to},\n\nFine with me. Please keep the map view at the top of the list for the release after.\n\n{me}",
            "Will do. I update the board today.\n\n{me}",
        ),
    ),
    (
        "Numbers for the {project} review",
        "Hi {to},\n\ncould you send me the usage numbers for {project} by {day}? I need them for the review.\n\nThanks\n{me}",
        (
            (
                "Hi {to},\n\nhere they are: {count} active sites, up 8 percent on last month. Two sites are still on the old "
                "firmware.\n\n{me}"
            ),
            "Perfect, thank you!\n{me}",
        ),
    ),
    (
        "Notes: {project} planning",
        (
            "Hi all,\n\nnotes from today's planning of {project}:\n- Decision: we freeze the interface on {day}.\n- {other} writes "
            "the migration guide.\n- Open: who tests the gateway in the field?\n\n{me}"
        ),
        ("Thanks for writing this up. I take the field test.\n\n{me}",),
    ),
    (
        "Interview on {day}",
        "Hi {to},\n\nwould you join the second interview on {day}? It is 45 minutes, with a short exercise.\n\n{me}",
        ("Sure, please send the invitation.\n{me}", "Done, see you there.\n{me}"),
    ),
    (
        "Slides for {customer}",
        (
            "Hi {to},\n\nattached is a first version of the slides for {customer}. Please look at pages 4 to 7, the pricing is "
            "new.\n\n{me}"
        ),
        ("Hi {to},\n\nthey look good. I would cut page 6, it says the same as page 5.\n\n{me}",),
    ),
    (
        "Laptop for the new colleague",
        "Hi {to},\n\n{other} needs a laptop and a badge by {day}. Who orders them?\n\n{me}",
        ("I order both today.\n{me}", "Great, thanks.\n{me}"),
    ),
    (
        "Question about the travel policy",
        "Hi {to},\n\nis a night train fine for the visit to {customer}, or should I book a flight?\n\n{me}",
        ("The night train is fine, and nicer. Keep the receipt.\n\n{me}",),
    ),
    (
        "Field test of {project}",
        (
            "Hi {to},\n\nthe field test of {project} ran for {count} hours without a fault. One gateway lost its clock after a power "
            "cut; I opened a ticket.\n\n{me}"
        ),
        (
            "Good news. Did the data of that gateway arrive late, or not at all?\n\n{me}",
            "Late, by about an hour. Nothing was lost.\n\n{me}",
            "Then I am fine with shipping.\n{me}",
        ),
    ),
)

NOTES_MAIL = next(one for one in COLLEAGUES if one[0].startswith("Notes"))

CUSTOMERS: Sequence[tuple[str, str, Sequence[str]]] = (
    (
        "Renewal of our contract",
        (
            "Dear {to},\n\nour contract ends next quarter. Could you send us an offer for {count} more sensors and another two "
            "years?\n\nBest regards\n{me}\n{company}"
        ),
        (
            "Dear {to},\n\nthank you! I send the offer by {day}. Would the same service level suit you?\n\nBest regards\n{me}",
            "Yes, please keep it as it is.\n\nBest regards\n{me}",
        ),
    ),
    (
        "Readings missing since {day}",
        "Hello {to},\n\nsince {day} we see gaps in the readings of two stations. Can somebody look into it?\n\n{me}\n{company}",
        (
            (
                "Hello {to},\n\nsorry about that. The gateway was rebooting because of a full disk; it is fixed and the gaps are being "
                "filled.\n\n{me}"
            ),
            "Confirmed, all readings are there. Thanks for the quick help!\n\n{me}",
        ),
    ),
    (
        "Training for new staff",
        "Hello {to},\n\nwe have {count} new colleagues. Do you offer a training day at our site?\n\nKind regards\n{me}\n{company}",
        (
            "Hello {to},\n\ngladly. A day costs {amount} EUR plus travel. Which week suits you?\n\nKind regards\n{me}",
            "The second week of the month would be best.\n\nKind regards\n{me}",
        ),
    ),
    (
        "Feedback on the pilot",
        (
            "Dear {to},\n\nthe pilot went well. Our technicians like the alarms; the reports could be shorter. Shall we discuss the "
            "next step?\n\nBest\n{me}\n{company}"
        ),
        ("Dear {to},\n\nthank you, that helps. I shorten the reports and come back with a proposal.\n\nBest\n{me}",),
    ),
)

# What was written to the owner and not answered, with the teams it may come from; and what the owner wrote unanswered.
WAITING_ON_ME: Sequence[tuple[Sequence[str], str, str]] = (
    (
        ("Sales",),
        "Your view on the discount",
        "Hi {to},\n\nmay we give {customer} ten percent? They decide on {day}.\n\n{me}",
    ),
    (
        ("Marketing", "Product"),
        "Draft of the case study",
        "Hi {to},\n\ncould you read the case study about {customer} and tell me what to change?\n\n{me}",
    ),
    (
        ("Marketing", "Operations"),
        "Who takes the stand on {day}?",
        "Hi {to},\n\ncan you be at our stand on {day} afternoon, or shall I ask {other}?\n\n{me}",
    ),
    (
        ("Customer Success", "Sales"),
        "Handover of {customer}",
        "Hi {to},\n\nwhen do you have time to hand over {customer}? Half an hour is enough.\n\n{me}",
    ),
)
WAITING_ON_THEM: Sequence[tuple[str, str]] = (
    ("Offer for {company}", ("Dear {to},\n\nplease find our offer below: {count} sensors, {amount} EUR. It is valid for 30 days. "
     "Do you have questions?\n\nBest regards\n{me}")),
    ("Signed order form", "Dear {to},\n\ncould you send me the signed order form by {day}?\n\nBest regards\n{me}"),
    ("Dates for the site visit", "Dear {to},\n\nwould {day} suit you for the site visit?\n\nBest regards\n{me}"),
    ("Figures for the forecast", "Hi {to},\n\nmay I have your figures for the forecast? I close it on {day}.\n\n{me}"),
)  # fmt: skip

CLOSING = "Hi {to},\n\n{other} and I settled this one; could you take it from here? The history is below.\n\n{me}"

ASKS_TO_TALK = (
    "Quick call about {customer}?",
    (
        "Hi {to},\n\n{customer} asked me about the renewal, and I would like to agree on the story with you before I answer. Could we "
        "talk for half an hour this week or next? I am flexible, you know my hours.\n\nThanks\n{me}"
    ),
)

INVOICE = (
    "Invoice {number}",
    (
        "Dear {to},\n\nplease find attached our invoice {number} over {amount} EUR, payable within 30 days.\n\nKind regards\n{me}\n"
        "{company}"
    ),
)

AUTOMATED: Sequence[tuple[str, str, str]] = (
    ("Build service", "Build {count} of {project} passed", "All checks passed. No action is needed."),
    ("Expenses", "Your expense report was approved", "The amount of {amount} EUR is paid with the next salary."),
    ("Calendar", "Weekly summary", "You had {count} hours of meetings last week."),
)

NEWSLETTER_BODY = (
    "{title}\n\nGood morning! In this issue: three short reads, one chart and an event. You receive this letter because you "
    "subscribed. Unsubscribe at any time."
)

MEETINGS = (
    "{project} review", "{project} planning", "Hiring sync", "Pricing workshop", "Incident review", "Roadmap check",
    "Contract questions", "Demo rehearsal", "Budget round", "Design walkthrough",
)  # fmt: skip
CUSTOMER_MEETINGS = ("Call with {company}", "{company}: quarterly review", "Demo for {company}")
PRIVATE = ("Dentist", "School meeting", "Doctor", "Physiotherapy", "Notary")
NOTES = (
    (
        "Notes:\n- {other} showed where {project} stands; the export works, the alarms need another week.\n- Decision: we ship "
        "{project} without the map view.\n- Next: {me} tells {customer} by {day}."
    ),
    (
        "Notes:\n- Went through the open points of {project}.\n- Decision: {other} takes over the field tests.\n- Budget stays as it "
        "is until the next quarter."
    ),
    (
        "Notes:\n- {count} tickets open, two of them from {customer}.\n- Decision: support answers within four hours from {day} on.\n"
        "- Open question: do we need a second gateway?"
    ),
)
WELCOME_PLAN = "Who shows {other} what in the first week? Please bring ideas."
AGENDA = "Agenda:\n- Where {project} stands\n- Open questions\n- Next steps"

CHAT: Sequence[str] = (
    "{project} is on the test system, have a look when you find a minute.",
    "Does anybody know who looks after {customer} this week?",
    "The numbers for last week are in: {count} new sites.",
    "Reminder: time sheets are due on {day}.",
    "Lunch at half past twelve?",
    "The build is green again.",
    "I am out on {day}, {other} covers for me.",
    "@{handle} could you check the draft for {customer}?",
    "@{handle} thanks for the quick help yesterday!",
    "The new badge reader works now.",
    "Slides for {customer} are ready for a second pair of eyes.",
    "Support had {count} tickets today, most about the update.",
)
CHAT_ANSWERS: Sequence[str] = (
    "On it.", "I can do that.", "Thanks!", "Looks good to me.", "Not before {day}, sorry.", "Let's discuss in the stand-up.",
    "{other} knows more about this.", "Done.",
)  # fmt: skip
DECISIONS: Sequence[str] = (
    "Decision: {project} ships on {day}, without the map view.",
    "Decision: from {day} on, {other} answers requests of {customer}.",
    "Decision: we keep the price of the base package until the end of the year.",
    "Decision: {project} moves to the new firmware after the field test.",
    "Decision: no releases on Fridays any more.",
    "Decision: we give {customer} a second gateway for the pilot.",
)
REACTIONS = ("thumbsup", "eyes", "tada", "white_check_mark", "heart")
