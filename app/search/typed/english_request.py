"""show me …, find pictures of …, I'm looking for …, … please."""

import re

_PICTURES = (
    r"(?:(?:some|the|any|all|more) )?(?:photos?|photographs?|pictures?|pics?|images?) (?:of|with) "
)
_SOME = rf"(?:(?:some|any|more|all|a few) )?(?:{_PICTURES})?"
_REQUEST = re.compile(
    r"(?:(?:hi|hello|hey|please),? )*"
    r"(?:(?:can|could|would|will) you (?:please |kindly )?)?"
    rf"(?:(?:show|find|get|display) {_PICTURES}"
    rf"|(?:(?:show|find|get|give|send|bring) (?:me|us)"
    r"|(?:(?:i['’]m |i am )?(?:looking|searching)|look|search) for"
    r"|i(?:['’]d like| would like| want| need)(?: to (?:see|find|buy|get|look at))?"
    rf"|do you (?:have|sell)|have you got|where can i (?:find|buy|get|see)) {_SOME})",
    re.IGNORECASE,
)
_PLEASE = re.compile(r",? please[.!?]*$", re.IGNORECASE)


def without_english_request(text: str) -> str:
    thing = _PLEASE.sub("", text)
    request = _REQUEST.match(thing)
    if request is not None:
        thing = thing[request.end() :].rstrip("?!. ")
    return thing or text
