"""The examples of a run: looked at before its first step or as they pass, some of them again and again."""

from typing import Any

import keras
from keras import tree

from thalweg.diagnosis import diagnose_before
from thalweg.keras.allowance import Allowance
from thalweg.keras.arguments import FitArguments
from thalweg.keras.before import Before
from thalweg.keras.curvature import Curvature
from thalweg.keras.feed import Batch, Feed
from thalweg.keras.keeper import Keeper
from thalweg.keras.kept import weighted
from thalweg.keras.notices import Notices
from thalweg.keras.probe_batch import EXAMPLES, ProbeBatch
from thalweg.keras.steps import Steps
from thalweg.record import Record

_EPOCHS_COMPARED = 3
"""Epochs whose first batches are compared: a shuffled one comes back by chance once in as many as there are."""
_ENOUGH = 32
"""Examples that the first batch must have to tell how the loss began."""
_for_looks = Allowance(0.2, free=8)
"""The looks before the first step, of all fits of this process with a budget: a script may fit again and again.

Those of a cross-validation, or of a training in stages, are all looked at.
"""


class Examples:
    """What the model is trained on, from the arguments of its `fit` (`given`) or the batches that pass.

    Facts about them are noted, and what speaks against the training is said. A fixed few are the `probe` batch: the
    model is measured at them in a `share` of the run's time (None: at every epoch's end), and its curvature tracked.
    From when the data were looked at, the steps may be timed.
    """

    def __init__(
        self,
        model: keras.Model,
        keeper: Keeper,
        notices: Notices,
        steps: Steps,
        curvature: Curvature,
        share: float | None,
    ) -> None:
        self._model, self._keeper, self._notices = model, keeper, notices
        self._steps, self._curvature = steps, curvature
        self._budgeted = share is not None
        self._for_probe = Allowance(share)
        self._before, self._feed = Before(), Feed()
        self._noted = False
        self._probed_at = 0
        self.given = FitArguments.of(model)

    @property
    def probe(self) -> ProbeBatch | None:
        """The probe batch; None as long as there is none."""
        return self._before.probe

    @property
    def batch_size(self) -> int | None:
        """That of the first batch which passed."""
        return self._feed.batch_size

    def passed(self) -> Batch | None:
        """The first examples of a pipeline; None where they were whole arrays."""
        return None if self.given.training is not None else self._feed.examples()

    def look_before(self) -> None:
        """Before the first step: at what `fit` was given, and at whole arrays."""
        before = self._before
        before.look_at_fit(self._model, self.given, self._keeper.info["fit"])
        self._keeper.note(before.facts)
        sample = self.given.sample()
        if sample is None:
            return
        self._feed.close()
        if self._budgeted and not _for_looks.affords():
            before.hold(sample)
            self._noted = True
            self._steps.begin()
            self._keeper.unwatched("the data were not looked at: this fit is one of many, and short")
            return
        _for_looks.timed(lambda: self._look_at_arrays(sample))

    def epoch_begins(self) -> None:
        """Take note of the batch that comes next, to compare it with other epochs' first."""
        of_one_step = self._keeper.info["fit"].get("steps_per_epoch") == 1
        if len(self._feed.fingerprints) < _EPOCHS_COMPARED and not of_one_step:
            self._feed.look()

    def through(self, data: Any) -> Any:
        """What the train function is to be given: `data`, or what hands on the same."""
        return self._feed.through(data)

    def look_at_passed(self, state: tuple[Any, Any] | None) -> None:
        """Before a step, at what has passed; `state` are the variables' values where the model does not hold them."""
        if self._steps.calls == 0 and not self._noted and self._model.built:
            self._look_at_first(self._feed.examples(EXAMPLES), state)
        if not self._feed.open and not self._noted:
            self._note_stream()

    def epoch_ended(self) -> None:
        """What has passed by now is enough."""
        if self._feed.open:
            self._feed.close()
        if not self._noted:
            self._note_stream()

    def compare_epochs(self) -> None:
        """Whether every epoch begins with the same batch."""
        prints, data = self._feed.fingerprints, self._keeper.info.get("data")
        if len(prints) == _EPOCHS_COMPARED and data is not None and "repeats" not in data.get("order", {}):
            order = {**data.get("order", {}), "repeats": len(set(prints)) == 1}
            self._keeper.note({"data": {**data, "order": order}})

    def measure(self, model: keras.Model, *, whatever_it_costs: bool) -> None:
        """The model at the probe batch, after the step where the run stands."""
        probe, step = self.probe, self._keeper.step
        looked = "data" in self._before.facts
        if probe is not None and looked and not self._before.asked:  # it was not built before
            self._before.look_at_contract(model, step=step)
            self._keeper.note(self._before.facts)
            self.check()
        if probe is None or step in (0, self._probed_at):
            return
        if not (whatever_it_costs or self._for_probe.affords()):
            return
        self._probed_at = step
        self._keeper.looked(self._for_probe.timed(lambda: probe.measure(model)))

    def track_curvature(self, model: keras.Model) -> None:
        """On the probe batch, where it is wanted."""
        self._curvature.track(model, self._weighted_probe, self.given.total)

    def check(self) -> None:
        """Say what speaks against this training before it makes a step, or before it makes many."""
        while self._before.failed:
            self._keeper.unwatched(f"not looked at, a bug of Thalweg's: {self._before.failed.pop()}")
        for finding in diagnose_before(Record(self._keeper.info, {})).concerns:
            self._notices.went_wrong(finding)

    def _look_at_arrays(self, sample: Batch) -> None:
        self._note_data(sample)
        self._first_look(None)
        self.check()

    def _look_at_first(self, batch: Batch | None, state: tuple[Any, Any] | None) -> None:
        """The first batch of a pipeline, before the step that it is for."""
        examples = 0 if batch is None else len(tree.flatten(batch[0])[0])
        if batch is None or examples < _ENOUGH:
            return
        if examples == EXAMPLES:
            self._before.hold(batch)  # else it is not full yet, and another would not be the same
            self._first_look(state)
        else:
            self._for_probe.timed(lambda: self._before.look_at_batch(self._model, batch, state))
            self._keeper.note(self._before.facts)

    def _first_look(self, state: tuple[Any, Any] | None) -> None:
        self._for_probe.timed(lambda: self._before.look_at_outputs(self._model, state))
        self._keeper.note(self._before.facts)
        self._keeper.looked(self._before.measured)
        if state is None and self._model.built:
            self.track_curvature(self._model)

    def _weighted_probe(self) -> Batch | None:
        """The probe batch, weighted as the training weighs it."""
        probe, given = self.probe, self.given
        if probe is None:
            return None
        batch = probe.inputs, probe.targets, probe.weights
        if given.training is None or given.class_weights is None:  # a pipeline brings its weights along
            return batch
        return (*batch[:2], weighted(batch, given.class_weights))

    def _note_stream(self) -> None:
        """The data came as a pipeline, and as much of them as is wanted has passed."""
        batch = self._feed.examples()
        if batch is not None:
            self._keeper.note({"fit": {**self._keeper.info["fit"], "batch_size": self._feed.batch_size}})
            self._note_data(batch)
            self.check()
        else:
            self._noted = True
            self._steps.begin()
            if self._feed.reason:
                self._keeper.unwatched(self._feed.reason)

    def _note_data(self, sample: Batch) -> None:
        self._noted = True
        self._steps.begin()
        before = self._before
        before.facts["fit"] = self._keeper.info["fit"]
        before.look_at_data(self._model, sample, self.given)
        assert before.probe is not None
        watch = {**self._keeper.info["watch"], "probe_examples": before.probe.examples}
        self._keeper.note({**before.facts, "watch": watch})
