"""Pure decisions about calls: (request, rules, grants, facts) → allow, ask or deny. Imports nothing of the other rooms.

`policies.guard` is the front door. No I/O after loading, no clock but the one passed; cedarpy has its only home here.
"""
