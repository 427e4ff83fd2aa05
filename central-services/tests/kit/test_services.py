"""The table of services, and what `central` chooses from it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from fastapi import FastAPI

from central_services.kit.services import (
    EngineName,
    Service,
    UnknownServiceError,
    choose,
    engines_of,
)
from central_services.services import SERVICES
from central_services.settings import Settings

FIRST = Service("first", "Comes first.", 8191, engines=(EngineName.NATS,))
SECOND = Service("second", "Comes second.", 8192, engines=(EngineName.POSTGRESQL, EngineName.NATS))
BOTH = (FIRST, SECOND)


def test_services_are_chosen_once_in_the_order_of_the_table() -> None:
    assert choose(BOTH, ["second", "first", "second"]) == [FIRST, SECOND]


def test_all_is_every_service() -> None:
    assert choose(BOTH, ["all"]) == [FIRST, SECOND]


def test_unknown_service_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        UnknownServiceError, match="no service third: choose from all, first, second"
    ):
        choose(BOTH, ["first", "third"])


def test_engines_come_once_in_the_order_in_which_they_start() -> None:
    assert engines_of(BOTH) == [EngineName.POSTGRESQL, EngineName.NATS]


def test_service_is_built_by_the_module_app_of_its_package(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    module = ModuleType("app")
    vars(module)["build"] = lambda settings: FastAPI(title=settings.app_name)
    monkeypatch.setitem(sys.modules, "central_services.first_service", ModuleType("package"))
    monkeypatch.setitem(sys.modules, "central_services.first_service.app", module)
    assert FIRST.build(settings).title == "Central Services"


def test_names_and_ports_of_services_are_their_own() -> None:
    assert len({service.name for service in SERVICES}) == len(SERVICES)
    assert len({service.port for service in SERVICES}) == len(SERVICES)


def test_every_service_of_the_table_can_be_built(settings: Settings) -> None:
    for service in SERVICES:
        assert service.build(settings).state.settings is settings
