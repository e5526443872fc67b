"""The next step of an alert names commands that exist."""

import re

import click
import pytest
import typer

from services.cli.app import app
from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import TERMS, WORDS, Language

COMMAND = re.compile(r"`arb ([^`]+)`")


def texts(code: AlertCode) -> list[str]:
    words = WORDS[Language.ENGLISH][code]
    return [words.detail, words.next_step, words.over, words.after]


def exists(words: list[str]) -> bool:
    """Follow words into the command's groups; what comes after a command are its arguments."""
    found: click.Command = typer.main.get_command(app)
    for word in words:
        if not hasattr(found, "commands"):
            return True
        if word not in found.commands:
            return False
        found = found.commands[word]
    return not hasattr(found, "commands")


@pytest.mark.parametrize("code", AlertCode)
def test_commands_in_the_words_of_an_alert_exist(code: AlertCode) -> None:
    named = [command for text in texts(code) for command in COMMAND.findall(text)]
    assert [command for command in named if not exists(command.split())] == []


def test_commands_in_the_steps_of_latches_exist() -> None:
    named = [
        command
        for table in TERMS[Language.ENGLISH].values()
        for text in table.values()
        for command in COMMAND.findall(text)
    ]
    assert named and [command for command in named if not exists(command.split())] == []
