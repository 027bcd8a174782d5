"""Drawers of pages that misbehave, as one that a hostile file has taken over could."""

import base64
import time

from ingest.types import Loaded


def hang(_data, _told):
    time.sleep(60)


def lie(_data, _told):
    return Loaded(base64.b64encode(b"<script>").decode(), (), "", "", {"pages": "2"})


def smuggle(_data, _told):
    return Loaded("not base64 !", (), "", "", {"pages": "2"})


def count_wrong(_data, _told):
    return Loaded("", (), "", "", {"pages": "many"})


def break_down(_data, _told):
    raise ValueError("broken")


def forge(_data, _told):
    told = {"pages": "2", "found": "exact\r\nSet-Cookie: a=b", "reason": "because"}
    return Loaded(base64.b64encode(b"\x89PNG\r\n").decode(), (), "", "", told)
