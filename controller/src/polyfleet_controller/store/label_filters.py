"""Requirements on labels, as conditions on devices."""

from typing import assert_never

from sqlalchemy import and_, exists, not_, select, true
from sqlalchemy.sql.elements import ColumnElement

from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.selectors import InvalidSelectorError, Selector
from polyfleet_controller.store.tables import DEVICE, DEVICE_LABEL


def selects(selector: Selector) -> ColumnElement[bool]:
    """What `Selector.matches` says of a device's labels."""
    return and_(true(), *map(meets, selector.requirements))


def meets(requirement: Requirement) -> ColumnElement[bool]:
    """Whether a device meets a requirement of a selector.

    What few have is looked up by the index of labels; what many lack, device by device.

    Raises:
        InvalidSelectorError: it compares numbers, which no selector does.
    """
    label, key, value = DEVICE_LABEL.c, DEVICE_LABEL.c.key == requirement.key, DEVICE_LABEL.c.value
    own = label.device == DEVICE.c.name
    match requirement.operator:
        case Operator.IN:
            return DEVICE.c.name.in_(select(label.device).where(key, value.in_(requirement.values)))
        case Operator.EXISTS:
            return DEVICE.c.name.in_(select(label.device).where(key))
        case Operator.NOT_IN:
            return not_(exists().where(own, key, value.in_(requirement.values)))
        case Operator.DOES_NOT_EXIST:
            return not_(exists().where(own, key))
        case Operator.GT | Operator.LT:
            raise InvalidSelectorError(f"{requirement}: a selector compares no numbers")
        case _:
            assert_never(requirement.operator)
