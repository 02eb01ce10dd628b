"""The study: every setting that is no component's own. Components are named by kind and looked up in the registry."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from textune.config.base import DEFAULT, Component, Config
from textune.records import Fidelity, Objective

__all__ = [
    "METRICS",
    "ConfirmConfig",
    "DimensionConfig",
    "EarlyStoppingConfig",
    "LessIsBetter",
    "ModelConfig",
    "SearchConfig",
    "ShortConfig",
    "StudyConfig",
    "TrainingConfig",
    "TrialConfig",
]

MetricName = Literal[
    "loss",
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "f1_micro",
    "f1_weighted",
    "precision_macro",
    "recall_macro",
    "log_loss",
]
METRICS: tuple[str, ...] = get_args(MetricName)
GreaterIsBetter = Literal[
    "valid.accuracy",
    "valid.balanced_accuracy",
    "valid.f1_macro",
    "valid.f1_micro",
    "valid.f1_weighted",
    "valid.precision_macro",
    "valid.recall_macro",
]
LessIsBetter = Literal["valid.loss", "valid.log_loss"]
ObjectiveName = Literal[GreaterIsBetter, LessIsBetter]


def _a_number(value: Any) -> int | float | None:
    """Keeps integers and floats apart, which a union of both would not."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")):
        return value
    raise ValueError(f"must be a finite number, not {value!r}")


Names = Annotated[tuple[MetricName, ...], Field(strict=False)]
NUMBER_OR_NULL = {"anyOf": [{"type": "number"}, {"type": "null"}]}
Number = Annotated[Any, AfterValidator(_a_number), WithJsonSchema(NUMBER_OR_NULL)]
Trackers = Annotated[tuple[Annotated[Config, Component("tracker")], ...], Field(strict=False)]


class ModelConfig(Config):
    """What is trained: token ids → embedding → encoder → pooling → head."""

    embedding: Annotated[Config, Component("embedding")] = DEFAULT
    encoder: Annotated[Config, Component("encoder")] = DEFAULT
    pooling: Annotated[Config, Component("pooling")] = DEFAULT
    head: Annotated[Config, Component("head")] = DEFAULT


class EarlyStoppingConfig(Config):
    """When a trial stops by itself. The weights of the best epoch are restored whether it stops or not."""

    patience: int | None = Field(None, ge=1, description="epochs without improvement before a trial stops; null: never")
    metric: ObjectiveName | None = Field(None, description="the valid metric to watch; null: the study's objective")
    min_delta: float = Field(0.0, ge=0, description="the least change that counts as an improvement")


class TrainingConfig(Config):
    """How a model is trained."""

    epochs: int = Field(10, ge=1, description="passes over the train rows at most")
    batch_size: int = Field(32, ge=1, description="rows per step")
    optimizer: Annotated[Config, Component("optimizer")] = DEFAULT
    schedule: Annotated[Config, Component("schedule")] = DEFAULT
    max_grad_norm: float | None = Field(
        None, gt=0, description="gradients are scaled down to this norm; null: no clipping"
    )
    max_skipped_steps: int = Field(
        3, ge=0, description="steps in a row skipped for a loss or gradient that is not finite, before a trial ends"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of each label spread evenly over the classes")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="'balanced': classes count equally in the loss"
    )
    early_stopping: EarlyStoppingConfig = Field(
        default={}, description="when a trial stops by itself", validate_default=True
    )
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = Field(
        "auto",
        description="'auto': bf16 if the CPU or GPU computes in it, fp16 with loss scaling on other GPUs; 'tf32': fp32"
        " whose products a GPU rounds, and fp32 on a CPU; fp16 is slow on CPUs",
    )
    deterministic: bool = Field(
        False, description="also on a GPU, equal trials give equal numbers, bit for bit, at some cost in speed"
    )
    length_buckets: bool = Field(True, description="batches of texts of similar length (faster), or of any length")
    metrics: Names = Field(
        ("loss", "accuracy", "f1_macro"), description="what is computed on the valid rows each epoch"
    )


class DimensionConfig(Config):
    """What one setting may be: a range, or a list of values."""

    low: Number = Field(None, description="least value")
    high: Number = Field(None, description="greatest value")
    log: bool = Field(False, description="draw evenly in the logarithm")
    steps: int | None = Field(
        None, ge=2, le=10_000, description="how many values, ends included, a grid or one at a time takes"
    )
    values: Annotated[tuple[Any, ...], Field(strict=False)] | None = Field(None, description="the choices")
    when: dict[str, Any] = Field(default={}, description="{path: value or [values]}: varies only where these hold")

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_a_choice(cls, value: Any) -> Any:
        return {"values": value} if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _a_range_or_a_choice(self) -> DimensionConfig:
        if self.values is not None:
            if self.low is not None or self.high is not None or self.steps is not None or self.log:
                raise ValueError("is a list of values and a range at once; give either 'values' or 'low' and 'high'")
            if not self.values:
                raise ValueError("is an empty list; give at least one value")
        elif self.low is None or self.high is None:
            raise ValueError("needs 'low' and 'high' (a range) or a list of values (a choice)")
        elif self.low >= self.high:
            raise ValueError(f"has low {self.low} not below high {self.high}")
        elif self.log and self.low <= 0:
            raise ValueError(f"has log: true and low {self.low}; a logarithmic range starts above 0")
        return self


class SearchConfig(Config):
    """What may vary, how it is searched, and when the search ends."""

    maximize: GreaterIsBetter | None = Field(
        None, description="the metric to maximize (valid.accuracy if none is named)"
    )
    minimize: LessIsBetter | None = Field(None, description="the metric to minimize")
    space: dict[str, DimensionConfig] = Field(default={}, description="dotted path of a setting → what it may be")
    sampler: Annotated[Config, Component("sampler")] = DEFAULT
    pruner: Annotated[Config, Component("pruner")] = DEFAULT
    trials: int | None = Field(
        None, ge=1, description="rows of the study, the base point included; null: 20, or the whole grid"
    )
    timeout_seconds: float | None = Field(None, gt=0, description="no trial starts after this; null: no limit")
    include_base: bool = Field(True, description="trial 0 is the study as written, nothing varied")
    reuse_results: Literal["study", "shared"] = Field(
        "study", description="'shared': a point that an earlier study measured under equal conditions is not run again"
    )
    deterministic: bool = Field(
        False,
        description="each trial is asked and pruned seeing the same other trials, however many workers there are; on"
        " GPUs, training.deterministic makes their numbers the same, too",
    )
    lag: int = Field(8, ge=1, description="deterministic: trial n sees the ended trials numbered below n - lag")

    @field_validator("maximize", "minimize", mode="before")
    @classmethod
    def _gets_better_that_way(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name == "maximize" and value in get_args(LessIsBetter):
            raise ValueError(f"is '{value}', and a lower value of it is better; use 'minimize: {value}'")
        if info.field_name == "minimize" and value in get_args(GreaterIsBetter):
            raise ValueError(f"is '{value}', and a higher value of it is better; use 'maximize: {value}'")
        return value

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> SearchConfig:
        if self.maximize is not None and self.minimize is not None:
            raise ValueError("names both 'maximize' and 'minimize'; a study has one objective")
        if self.deterministic and self.timeout_seconds is not None:
            raise ValueError(
                "has deterministic: true and timeout_seconds; how many trials a time allows is different each run, "
                "so limit the search by 'trials'"
            )
        return self

    @property
    def objective(self) -> Objective:
        if self.minimize is not None:
            return Objective(metric=self.minimize, direction="minimize")
        metric = self.maximize or "valid.accuracy"
        return Objective(metric=metric, direction="maximize")


def _one_or_stages(value: Any, _: ValidatorFunctionWrapHandler) -> SearchConfig | tuple[SearchConfig, ...]:
    """Tells the two apart before it validates, so that a problem is told once, where it stands."""
    if not isinstance(value, list | tuple):
        return SearchConfig.model_validate(value)
    if not value:
        raise ValueError("is an empty list; give at least one stage, or leave it out")
    return _with_one_objective(_STAGES.validate_python(value))


def _with_one_objective(stages: tuple[SearchConfig, ...]) -> tuple[SearchConfig, ...]:
    """Gives the first stage's objective to those that name none.

    Raises:
        ValidationError: a stage names another.
    """
    first = stages[0]
    inherited = first.model_dump(include={"maximize", "minimize"})
    errors = []
    for number, stage in enumerate(stages):
        key = "maximize" if stage.minimize is None else "minimize"
        given = getattr(stage, key)
        if given is not None and stage.objective != first.objective:
            sentence = (
                f"is '{given}', and the first stage is to {first.objective.direction} '{first.objective.metric}'; "
                "all stages search for one objective, so name it in the first"
            )
            error = PydanticCustomError("value_error", "{error}", {"error": sentence})
            errors.append(InitErrorDetails(type=error, loc=(number, key), input=given))
    if errors:
        raise ValidationError.from_exception_data("search", errors)
    return tuple(stage.model_copy(update=inherited) for stage in stages)


Stages = Annotated[tuple[SearchConfig, ...], Field(strict=False, json_schema_extra={"minItems": 1})]
_STAGES = TypeAdapter(Stages)
Search = Annotated[SearchConfig | Stages, WrapValidator(_one_or_stages)]


class ShortConfig(Config):
    """How a search measures cheaply; the confirmation decides in full."""

    epochs: int | None = Field(None, ge=1, description="epochs of a trial; null: as training.epochs says")
    share: float | None = Field(None, gt=0, le=1, description="share of the train rows; null: all")
    window: int | None = Field(
        None, ge=1, description="the newest calendar months of the train rows only, which must be dated; null: all"
    )
    folds: int | None = Field(None, ge=1, description="the newest folds or date ranges only; null: all")

    @model_validator(mode="after")
    def _rows_are_cut_in_one_way(self) -> ShortConfig:
        if self.share is not None and self.window is not None:
            raise ValueError("gives 'share' and 'window', which both say how many rows train; leave one of them out")
        return self

    @property
    def fidelity(self) -> Fidelity:
        return Fidelity(**self.model_dump())


LEAST_CONFIRM_SECONDS = 60.0
"""What a confirmation may take if the study does not say: half of a search of seconds would be too little to decide."""


class ConfirmConfig(Config):
    """How the best configurations of a search are trained again, to tell merit from luck."""

    top: int = Field(3, ge=1, description="configurations trained again; the study as written is added")
    rows: Literal["resplit", "holdout", "same"] = Field(
        "resplit",
        description="what they are scored on: 'resplit': rows drawn for each repeat from those the search never scored;"
        " 'holdout': rows set aside before the search; 'same': those they were chosen by",
    )
    max_repeats: int = Field(12, ge=3, description="trainings of each configuration at most")
    alpha: float = Field(0.05, gt=0, lt=0.5, description="chance of a false winner that is accepted")
    margin: float = Field(0.005, gt=0, description="differences of the metric within this do not matter")
    max_share: float = Field(
        0.5,
        gt=0,
        description="of the time that the trials of the search took, or would have taken in full, how much the"
        " confirmation may take; left out: 0.5, or a minute if that is more; without limit with search.deterministic",
    )

    def seconds(self, searched: float) -> float:
        """Returns how long the trainings of a confirmation may take together after a search of so many seconds."""
        allowed = self.max_share * searched
        return allowed if "max_share" in self.model_fields_set else max(allowed, LEAST_CONFIRM_SECONDS)


def _off_is_none(value: Any) -> Any:
    """Takes false, as other tools read `off` in YAML, for 'off'."""
    return None if value == "off" or value is False else value


def _may_be_off(schema: dict[str, Any]) -> None:
    schema["anyOf"] += [{"const": "off"}, {"const": False}]


Confirm = Annotated[ConfirmConfig | None, BeforeValidator(_off_is_none)]


class TrialConfig(Config):
    """What one trial needs to know: the study without its search. A resolved trial config is a point."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="names the run folder")
    seed: int = Field(42, ge=0, description="the one seed all randomness comes from")
    plugins: Annotated[tuple[str, ...], Field(strict=False)] = Field((), description="Python files that add components")
    data: Annotated[Config, Component("data")]
    split: Annotated[Config, Component("split")] = DEFAULT
    tokenizer: Annotated[Config, Component("tokenizer")] = DEFAULT
    model: ModelConfig = Field(default={}, description="what is trained", validate_default=True)
    training: TrainingConfig = Field(default={}, description="how it is trained", validate_default=True)

    @model_validator(mode="after")
    def _encoder_and_tokenizer_fit(self) -> TrialConfig:
        if not self.tokenizer.fits(self.model.encoder.pretrained):  # type: ignore[attr-defined]
            raise ValueError(
                "has a tokenizer and an encoder that do not fit: a pretrained encoder needs 'tokenizer: pretrained', "
                "of the same model; 'tokenizer: pretrained' below any other encoder needs a 'model' of its own"
            )
        return self

    def in_short(self, fidelity: Fidelity) -> Self:
        """Returns the config with as many epochs as the fidelity allows."""
        if fidelity.epochs is None or fidelity.epochs >= self.training.epochs:
            return self
        return self.model_copy(update={"training": self.training.model_copy(update={"epochs": fidelity.epochs})})


class StudyConfig(TrialConfig):
    """One study: what to learn from, what to build, what may vary and where to run."""

    search: Search = Field(
        default={},
        description="what may vary and how it is searched; or a list of stages: the best of one is the next's base",
        validate_default=True,
    )
    short: ShortConfig = Field(default={}, description="how the search measures cheaply", validate_default=True)
    confirm: Confirm = Field(
        default={},
        description="how the best are trained again, to tell merit from luck; 'off': not",
        validate_default=True,
    )
    execution: Annotated[Config, Component("executor")] = DEFAULT
    tracking: Trackers = Field(("table",), description="where numbers go, beside the event log", validate_default=True)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> StudyConfig:
        deterministic = any(stage.deterministic for stage in self.stages)
        if deterministic and self.execution.timeout_seconds is not None:  # type: ignore[attr-defined]
            raise ValueError(
                "has search.deterministic: true and execution.timeout_seconds; how far a trial comes in a time is "
                "different each run, so leave one of them out"
            )
        return self

    @property
    def stages(self) -> tuple[SearchConfig, ...]:
        """The searches in their order; one, if the study names no stages."""
        return self.search if isinstance(self.search, tuple) else (self.search,)

    @property
    def objective(self) -> Objective:
        return self.stages[0].objective
