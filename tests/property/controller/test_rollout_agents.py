"""Real agents under the rollout machine, whatever the network between them does to what they say."""

from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from polyfleet_controller.domain.rollout.events import Retried
from polyfleet_controller.domain.rollout.machine import react
from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_controller.domain.rollout.strategy import Amount, OnFailure, Strategy
from polyfleet_shared.platforms import Platform
from rollout_agents import BASE, TARGET, Agent, Fleet, find_config

PLATFORMS: Final = [Platform.parse(text) for text in ("linux/amd64", "linux/arm/v7", "linux/riscv64")]


class AgentsUnderRollout(RuleBasedStateMachine):
    """Reports are lost, repeated, late and out of order, devices come and go: less than a deadline long.

    At the end the network is whole again, and the rollout is where it should be on every platform.
    """

    @initialize(
        platforms=st.lists(st.sampled_from(PLATFORMS), min_size=3, max_size=7),
        bad=st.sampled_from([frozenset(), frozenset({PLATFORMS[-1]})]),
        most=st.sampled_from(["1", "50%"]).map(Amount.parse),
        prefetch=st.booleans(),
    )
    def begin(
        self, platforms: list[Platform], bad: frozenset[Platform], most: Amount, *, prefetch: bool
    ) -> None:
        self.fleet = Fleet(
            platforms=platforms, bad=bad, strategy=Strategy(max_unavailable=most, prefetch=prefetch)
        )

    def _draw(self, data: st.DataObject) -> Agent:
        return self.fleet.agents[data.draw(st.sampled_from(sorted(self.fleet.agents)))]

    @rule()
    def the_controller_looks(self) -> None:
        self.fleet.look()

    @rule(data=st.data())
    def a_document_arrives(self, data: st.DataObject) -> None:
        self.fleet.receive(self._draw(data))

    @rule(data=st.data())
    def a_device_works(self, data: st.DataObject) -> None:
        device = self._draw(data).device
        if device.pending:
            device.answer(data.draw(st.integers(0, len(device.pending) - 1)))

    @rule()
    def devices_speak(self) -> None:
        for agent in self.fleet.agents.values():
            self.fleet.publish(agent)

    @precondition(lambda self: self.fleet.network)
    @rule(data=st.data(), keep=st.booleans())
    def any_report_arrives(self, data: st.DataObject, *, keep: bool) -> None:
        self.fleet.deliver(data.draw(st.integers(0, len(self.fleet.network) - 1)), keep=keep)

    @precondition(lambda self: self.fleet.network)
    @rule(data=st.data())
    def any_report_is_lost(self, data: st.DataObject) -> None:
        del self.fleet.network[data.draw(st.integers(0, len(self.fleet.network) - 1))]

    @rule(data=st.data())
    def a_device_goes_or_comes(self, data: st.DataObject) -> None:
        agent = self._draw(data)
        (self.fleet.disconnect if agent.online else self.fleet.connect)(agent)

    @rule(data=st.data())
    def an_agent_is_killed(self, data: st.DataObject) -> None:
        agent = self._draw(data)
        agent.device.kill()
        if agent.online:
            self.fleet.connect(agent)

    @rule()
    def all_goes_well_for_a_moment(self) -> None:
        self.fleet.flow()
        self.fleet.look()

    @rule(seconds=st.sampled_from([0.5, 4.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        self.fleet.pass_time(seconds)

    @invariant()
    def no_device_runs_what_nobody_chose(self) -> None:
        for agent in self.fleet.agents.values():
            chosen = {find_config(revision, agent.platform) for revision in (BASE, TARGET)}
            assert agent.running <= chosen

    @invariant()
    def no_more_are_down_than_may_be(self) -> None:
        for platform in set(self.fleet.platforms):
            agents = [agent for agent in self.fleet.agents.values() if agent.platform == platform]
            down = [agent.name for agent in agents if not agent.running]
            assert len(down) <= self.fleet.strategy.max_unavailable.of(len(agents)), down

    def teardown(self) -> None:
        if not hasattr(self, "fleet"):
            return
        for agent in self.fleet.agents.values():
            self.fleet.connect(agent)
        self.fleet.finish()
        used, bad = set(self.fleet.platforms), self.fleet.bad
        strata = self.fleet.rollout.strata.values()
        assert {stratum.platform: stratum.status for stratum in strata} == {
            platform: StratumStatus.ROLLED_BACK if platform in bad else StratumStatus.SUCCEEDED
            for platform in used
        }
        assert {agent.name: agent.running for agent in self.fleet.agents.values()} == {
            agent.name: {find_config(BASE if agent.platform in bad else TARGET, agent.platform)}
            for agent in self.fleet.agents.values()
        }
        outcome = RolloutStatus.PARTIAL if used & bad else RolloutStatus.COMPLETED
        if used <= bad:
            outcome = RolloutStatus.ROLLED_BACK
        assert self.fleet.rollout.status is outcome


TestAgentsUnderRollout = AgentsUnderRollout.TestCase
TestAgentsUnderRollout.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_a_retry_is_judged_by_what_devices_say_of_it_and_not_of_the_attempt_before() -> None:
    riscv64 = PLATFORMS[-1]
    strategy = Strategy(on_failure=OnFailure.PAUSE)
    fleet = Fleet(platforms=[riscv64, riscv64], bad=frozenset({riscv64}), strategy=strategy)
    fleet.finish(steps=20)
    assert [stratum.status for stratum in fleet.rollout.strata.values()] == [StratumStatus.HALTED]
    for agent in fleet.agents.values():
        agent.device.ending.clear()
    fleet.rollout = react(fleet.rollout, Retried(by="ann"), fleet.now).rollout
    fleet.look()
    fleet.look()  # nobody has said anything since
    assert [stratum.status for stratum in fleet.rollout.strata.values()] == [StratumStatus.ADVANCING]
    fleet.finish()
    assert fleet.rollout.status is RolloutStatus.COMPLETED
    assert [agent.running for agent in fleet.agents.values()] == [{find_config(TARGET, riscv64)}] * 2
