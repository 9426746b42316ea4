"""A fleet, its controller and everything that may happen to them: in the end each device runs what it should.

Documents and reports are lost or late, the database is restored from a backup, devices are rebuilt, cloned,
deleted and moved to other platforms. A device never goes back to an older document.
"""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from controlroom import PLATFORMS, REPOSITORY, ControlRoom, Voice, digest, index, manifest
from polyfleet_controller.services.errors import DevicesUncoveredError, NotFoundError
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.views import Sync
from polyfleet_controller.store.database import Database
from polyfleet_shared.desired import DesiredDocument
from polyfleet_shared.reasons import Reason

NAMES = ("dev-0", "dev-1", "dev-2")
WORKLOADS = ("one", "two")
TAGS = ("1", "2", "partial", "missing")
LONG = 30 * 24 * 60 * 60  # no device fails for its deadline, whatever time passes
MISSING = RegistryFailure(Reason.IMAGE_NOT_FOUND, "there is no such tag")

devices = st.sampled_from(NAMES)
workloads = st.sampled_from(WORKLOADS)
policies = st.sampled_from(("hold", "exclude", "refuse"))


class Fleet(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.files = 0
        self.lives = 0
        self.backup: Path | None = None
        self.tags: dict[str, str] = {}
        self.policies: dict[str, str] = {}
        self.wishes_at_backup: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self.under_way: list[tuple[str, DesiredDocument]] = []

    @initialize()
    def begin(self) -> None:
        database = Database(f"sqlite:///{self._new_file()}")
        database.migrate()
        self._open(database)
        self.voices = {
            name: Voice(name=name, platform=platform, incarnation=self._new_life())
            for name, platform in zip(NAMES, PLATFORMS, strict=False)
        }
        self.carry_on()

    def _open(self, database: Database) -> None:
        self.room = ControlRoom(database)
        self.room.shelf.answers = {"partial": index("partial", "linux/amd64"), "missing": MISSING}

    def _new_file(self) -> Path:
        self.files += 1
        return self.directory / f"{self.files}.db"

    def _new_life(self) -> str:
        self.lives += 1
        return f"life-{self.lives}"

    @rule(name=devices)
    def connect(self, name: str) -> None:
        self.room.receive(*self.voices[name].introduce())

    @rule()
    def carry_on(self) -> None:
        """Everything works for a while."""
        self.room.receive(*(arrival for voice in self.voices.values() for arrival in voice.introduce()))
        self._exchange()

    @rule(tag=st.sampled_from(TAGS), policy=policies)
    def change_something_and_carry_on(self, tag: str, policy: str) -> None:
        self.apply("one", tag, policy)
        self._exchange()

    @rule(name=devices)
    def report(self, name: str) -> None:
        self.room.receive(self.voices[name].report())

    @rule(name=devices)
    def lose_a_report(self, name: str) -> None:
        self.voices[name].report()

    @rule(name=devices)
    def disconnect(self, name: str) -> None:
        self.room.receive(
            self.voices[name].disconnect() if self.voices[name].connection else self.voices[name].connect()
        )

    @rule(workload=workloads, tag=st.sampled_from(TAGS), policy=policies)
    def apply(self, workload: str, tag: str, policy: str) -> None:
        """What is refused changes nothing."""
        document = manifest(workload, tag=tag, on_uncovered=policy)
        document["spec"]["progressDeadlineSeconds"] = LONG
        try:
            self.room.workloads.apply(document, now=self.room.now)
        except DevicesUncoveredError:
            assert (tag, policy) == ("partial", "refuse")
            return
        self.tags[workload] = tag
        self.policies[workload] = policy

    @rule(workload=workloads)
    def delete_workload(self, workload: str) -> None:
        if self.tags.pop(workload, None) is not None:
            self.room.workloads.delete("default", workload, now=self.room.now)

    @rule()
    def publish(self) -> None:
        self.under_way += self.room.deliver_documents().items()

    @rule(data=st.data())
    def take_a_document(self, data: st.DataObject) -> None:
        if self.under_way:
            position = data.draw(st.integers(0, len(self.under_way) - 1))
            name, document = self.under_way.pop(position)
            self._obey(self.voices[name], document)

    @rule()
    def lose_documents(self) -> None:
        self.under_way.clear()

    @rule()
    def lose_the_session(self) -> None:
        self.room.outbox.republish_all(now=self.room.now)

    @rule(seconds=st.sampled_from((1, 10, 60)))
    def pass_time(self, seconds: int) -> None:
        self.room.pass_time(seconds=seconds)

    @rule(name=devices, platform=st.sampled_from(PLATFORMS))
    def move_to_another_platform(self, name: str, platform: str) -> None:
        self.voices[name].platform = platform
        self.room.receive(self.voices[name].describe())

    @rule(name=devices)
    def rebuild(self, name: str) -> None:
        self.voices[name] = self.voices[name].reinstall(self._new_life())

    @rule(name=devices)
    def clone(self, name: str) -> None:
        """Another machine under the name, which is switched off again after this."""
        self.room.receive(*self.voices[name].reinstall(self._new_life()).introduce())

    @rule(name=devices)
    def delete_device(self, name: str) -> None:
        try:
            self.room.devices.delete(name, now=self.room.now)
        except NotFoundError:
            return

    @rule(name=devices)
    def admit(self, name: str) -> None:
        try:
            self.room.devices.admit(name, now=self.room.now)
        except NotFoundError:
            return

    @rule()
    def back_up(self) -> None:
        self.backup = self._new_file()
        self.wishes_at_backup = (dict(self.tags), dict(self.policies))
        with (
            closing(sqlite3.connect(self.directory / f"{self.files - 1}.db")) as source,
            closing(sqlite3.connect(self.backup)) as target,
        ):
            source.backup(target)
        self._restart_on(shutil.copy(self.directory / f"{self.files}.db", self._new_file()))

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self) -> None:
        assert self.backup is not None
        self.tags, self.policies = map(dict, self.wishes_at_backup)
        self._restart_on(shutil.copy(self.backup, self._new_file()))

    @rule(tag=st.sampled_from(TAGS), other=st.sampled_from(TAGS), policy=policies)
    def forget_what_devices_have_seen(self, tag: str, other: str, policy: str) -> None:
        """The backup is older than the last change, and another change follows it."""
        self.back_up()
        self.change_something_and_carry_on(tag, policy)
        self.restore()
        self.apply("one", other, policy)

    def _restart_on(self, path: Path | str) -> None:
        now = self.room.now
        self.room.database.close()
        self._open(Database(f"sqlite:///{path}"))
        self.room.now = now

    def teardown(self) -> None:
        if hasattr(self, "voices"):
            self._calm_down()
            self._check_that_all_run_what_they_should()
            self.room.database.close()
        shutil.rmtree(self.directory)

    def _calm_down(self) -> None:
        """No more mishaps: everybody connects, operators do their part, and messages arrive."""
        self.room.shelf.answers.pop("missing")
        for voice in self.voices.values():
            self.room.receive(*voice.introduce())
        for name in NAMES:
            self.room.devices.resolve_duplicate(name, now=self.room.now)
            self.room.receive(*self.voices[name].introduce())
            self.room.devices.admit(name, now=self.room.now)
        for _ in range(4):
            self.room.pass_time(seconds=61)
            self.room.releases.resolve_pending(now=self.room.now)
            self._exchange()
            self.room.receive(*(voice.report() for voice in self.voices.values()))

    def _exchange(self) -> None:
        while documents := self.room.advance():
            for name, document in documents.items():
                self._obey(self.voices[name], document)
                self.room.receive(self.voices[name].report())

    def _obey(self, voice: Voice, document: DesiredDocument) -> None:
        before = voice.document
        voice.obey(document)
        if before is not None:
            assert voice.document is not None
            assert voice.document.version.order >= before.version.order

    def _check_that_all_run_what_they_should(self) -> None:
        meant_in_all = 0
        for name, voice in self.voices.items():
            covered = {
                workload
                for workload, tag in self.tags.items()
                if tag != "partial" or voice.platform == "linux/amd64"
            }
            assert {item.name for item in voice.workloads} == covered
            assert {item.containers[0].child for item in voice.workloads} == {
                digest(f"{self.tags[workload]} {voice.platform}") for workload in covered
            }
            meant = covered | {workload for workload in self.tags if self.policies[workload] != "exclude"}
            meant_in_all += len(meant)
            view = self.room.show(name).device
            assert view.sync is (Sync.IN_SYNC if covered == meant else Sync.HELD)
            assert view.conditions == ()
        listed = self.room.workloads.list(PageRequest()).items
        assert {item.name: item.image for item in listed} == {
            workload: f"{REPOSITORY}:{tag}" for workload, tag in self.tags.items()
        }
        told = [count.running + count.held for item in listed for count in item.platforms]
        assert sum(told) == meant_in_all


Fleet.TestCase.settings = settings(max_examples=25, stateful_step_count=40)
TestFleet = Fleet.TestCase
