"""Typical answers to notebook 07, right and wrong, and what each is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from tests.notebooks.course import answer

PRELUDE = """
import json, os, pickle, shutil, tempfile
from pathlib import Path
from urllib.parse import quote
from labkit.files.whole import write_whole
"""
LOST = """
def lost_work(events, struck_s):
    lost = 0.0
    for event in {events}:
        if {died}:
            before = [e.finished_s for e in events if e.worker == event.worker and e.received_s < event.received_s]
            begun_s = {begun}
            lost {add} max(0.0, {until} - begun_s)
    return lost
"""
RETRY = """
def retry(work, max_attempts, retryable):
    {loop}
        try:
            {call}
        except {caught}:
            {then}
"""
CHECKPOINT = """
class FolderCheckpoint:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.kept = {{}}
    def path(self, key):
        return self.folder / {name}
    def load(self, key):
        {load}
    def save(self, key, value):
        {save}
"""
SCRATCH = "s = self.path(key).with_suffix('.part'); s.write_text(json.dumps(value)); os.replace(s, self.path(key))"
DIED = "event.node == '?' and event.received_s >= struck_s"
LAST = "if attempt == max_attempts: raise"


def lost(
    died: str = DIED,
    begun: str = "max([event.submitted_s, *before])",
    until: str = "struck_s",
    events: str = "events",
    add: str = "+=",
) -> str:
    return LOST.format(died=died, begun=begun, until=until, events=events, add=add)


def retry(
    then: str = LAST,
    caught: str = "retryable",
    call: str = "return work()",
    loop: str = "for attempt in range(1, max_attempts + 1):",
) -> str:
    return RETRY.format(then=then, caught=caught, call=call, loop=loop)


def checkpoint(
    save: str = SCRATCH,
    load: str = "return json.loads(self.path(key).read_text()) if self.path(key).exists() else None",
    name: str = "quote(key, safe='')",
) -> str:
    return CHECKPOINT.format(save=save, load=load, name=name)


def book(body: str) -> str:
    return f"def book(folder, key, amount):\n    place = Path(folder) / key\n    {body}"


ANSWERS = [
    ("7.1", "lost_work", "right", lost()),
    ("7.1", "lost_work", "from_submitted", lost(begun="event.submitted_s")),
    ("7.1", "lost_work", "until_noticed", lost(until="event.received_s")),
    ("7.1", "lost_work", "only_one", lost(add="=")),
    ("7.1", "lost_work", "failed_too", lost("event.error and event.received_s >= struck_s")),
    ("7.1", "lost_work", "earlier_too", lost("event.node == '?'")),
    ("7.1", "lost_work", "noticed_is_begun", lost(begun="event.started_s")),
    ("7.1", "lost_work", "changed", lost().replace("    lost = 0.0", "    lost = 0.0; events.sort(key=str)")),
    ("7.1", "lost_work", "no_number", "def lost_work(events, struck_s): return [e for e in events if e.node == '?']"),
    ("7.1", "lost_work", "wrong", "def lost_work(events, struck_s): return 42.0"),
    ("7.1", "lost_work", "not_attempted", "def lost_work(events, struck_s):\n    ..."),
    ("7.2", "retry", "right", retry()),
    ("7.2", "retry", "endless", retry("pass", loop="while True:")),
    ("7.2", "retry", "swallowed", retry("pass")),
    ("7.2", "retry", "retried_anyway", retry(caught="Exception")),
    ("7.2", "retry", "another_number", retry("if attempt > max_attempts: raise",
                                             loop="for attempt in range(1, max_attempts + 2):")),
    ("7.2", "retry", "another_error", retry("if attempt == max_attempts: raise RuntimeError('gave up')")),
    ("7.2", "retry", "called_again", retry(call="found = work()\n            if found: return found")),
    ("7.2", "retry", "no_result", retry(call="work()\n            return")),
    ("7.2", "retry", "gave_up", "def retry(work, max_attempts, retryable): return work()"),
    ("7.2", "retry", "hidden", retry().rstrip() + "\n        except Exception: return None"),
    ("7.3", "book", "right", book("part = place.with_suffix('.part'); part.write_text(str(amount)); "
                                  "os.replace(part, place)")),
    ("7.3", "book", "right", book("write_whole(place, str(amount))")),
    ("7.3", "book", "right", book("if place.exists(): return\n    write_whole(place, str(amount))")),
    ("7.3", "book", "renamed_early", book("part = place.with_suffix('.part')\n    with part.open('w') as f:\n"
                                          "        f.write(str(amount))\n        os.replace(part, place)")),
    ("7.3", "book", "elsewhere", book("part = Path(tempfile.mkdtemp()) / key; part.write_text(str(amount)); "
                                      "os.replace(part, place)")),
    ("7.3", "book", "elsewhere", book("part = Path(tempfile.mkdtemp()) / key; part.write_text(str(amount)); "
                                      "shutil.move(part, place)")),
    ("7.3", "book", "not_by_key", book("with (Path(folder) / 'ledger').open('a') as file: file.write(key)")),
    ("7.3", "book", "twice", book("with place.open('a') as file: file.write(str(amount))")),
    ("7.3", "book", "twice", book("had = float(place.read_text()) if place.exists() else 0.0\n"
                                  "    write_whole(place, str(had + amount))")),
    ("7.3", "book", "not_whole", book("if not place.exists(): place.write_text(str(amount))")),
    ("7.3", "book", "not_whole", book("place.write_text(str(amount))")),
    ("7.3", "book", "refuses_again", book("with place.open('x') as file: file.write(str(amount))")),
    ("7.3", "book", "left_over", book("part = place.with_suffix('.part'); part.write_text(str(amount)); "
                                      "place.unlink(missing_ok=True); os.link(part, place)")),
    ("7.3", "book", "another_amount", book("write_whole(place, f'{key}: {amount}')")),
    ("7.3", "book", "stuck", book("part = place.with_suffix('.part')\n    with part.open('x') as f: "
                                  "f.write(str(amount))\n    os.replace(part, place)")),
    ("7.4", "FolderCheckpoint", "right", checkpoint()),
    ("7.4", "FolderCheckpoint", "right", checkpoint("write_whole(self.path(key), json.dumps(value))")),
    ("7.4", "FolderCheckpoint", "not_whole", checkpoint("self.path(key).write_text(json.dumps(value))")),
    ("7.4", "FolderCheckpoint", "renamed_early", checkpoint("s = self.path(key).with_suffix('.part')\n"
     "        with s.open('w') as file: json.dump(value, file); os.replace(s, self.path(key))")),
    ("7.4", "FolderCheckpoint", "elsewhere", checkpoint("s = Path(tempfile.mkdtemp()) / 'part'; "
     "s.write_text(json.dumps(value)); s.rename(self.path(key))")),
    ("7.4", "FolderCheckpoint", "in_memory", checkpoint("self.kept[key] = value", "return self.kept.get(key)")),
    ("7.4", "FolderCheckpoint", "never_saved", checkpoint(load="return json.loads(self.path(key).read_text())")),
    ("7.4", "FolderCheckpoint", "another_value", checkpoint(load="return self.path(key).read_text() "
                                                            "if self.path(key).exists() else None")),
    ("7.4", "FolderCheckpoint", "one_for_all", checkpoint(name="'checkpoint'")),
    ("7.4", "FolderCheckpoint", "old_one_lost", checkpoint("self.path(key).unlink(missing_ok=True); " + SCRATCH)),
    ("7.4", "FolderCheckpoint", "stuck", checkpoint("s = self.path(key).with_suffix('.part')\n"
     "        with s.open('x') as file: json.dump(value, file)\n        os.replace(s, self.path(key))")),
    ("7.4", "FolderCheckpoint", "raised", checkpoint(SCRATCH, name="key")),
    ("7.4", "FolderCheckpoint", "not_attempted", checkpoint("...")),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(tmp_path: Path, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=tmp_path)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


def test_a_wrong_number_comes_with_the_run_that_it_is_about(tmp_path: Path) -> None:
    for lang, said in (("en", "right is 3.00. You counted"), ("es", "lo correcto es 3,00. Contaste")):
        labkit.start(home=tmp_path, lang=lang)
        message = answer("7.1", "lost_work", lost(begun="event.submitted_s"), PRELUDE).message
        assert said in message and message.count("\n| ") == 8  # a header, its ruler and six events
