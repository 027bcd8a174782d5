from ui.stream import Event, read_events


def test_events_are_read_line_by_line():
    lines = [": hello", "event: token", 'data: {"text":', 'data: "a"}', "", "", 'data: {"x": 1}']

    assert list(read_events(lines)) == [Event("token", {"text": "a"}), Event("message", {"x": 1})]


def test_an_event_that_is_not_json_becomes_an_error_text():
    assert list(read_events(["event: error", "data: oops", ""])) == [
        Event("error", {"error": "oops"})
    ]
