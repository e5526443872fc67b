"""Settings: a TOML file a person edits, overridden by `.env` and the environment.

Each service has one frozen model and one file `config/<section>.toml`; `ARB_<SECTION>_<KEY>`
in the environment or in `.env` overrides a key, the environment first. Unknown keys and
contradictions are refused before anything starts. Secrets have no place in TOML.
"""

import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_origin

from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnparsedError
from redis.connection import ConnectionPool

from services.contracts.system import SHIPPED_NAME, SystemMode

CONFIG_DIR_VARIABLE = "ARB_CONFIG_DIR"
LOOPBACK = "127.0.0.1"
GroupName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,19}$")]
"""A symbol group: small letters, digits, - and _. It is part of stream keys and of process names."""
GatewayName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,20}$")]


class SettingsError(ValueError):
    """Settings that cannot be used: says which key of which file or variable, and how to mend it."""


class _TomlSection(PydanticBaseSettingsSource):
    """The lowest source: `<config dir>/<section>.toml`, if it is there."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        settings = self.settings_cls
        assert issubclass(settings, SectionSettings)
        path = config_dir() / f"{settings.SECTION}.toml"
        if not path.is_file():
            return {}
        try:
            return tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: not TOML: {error}. Mend the line it names.") from error
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}. Mend its access.") from error


class _OurDotenv(PydanticBaseSettingsSource):
    """`.env` without the keys of other sections, which one file holds beside ours."""

    def __init__(self, settings_cls: type[BaseSettings], whole: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._whole = whole

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        ours = {name.lower() for name in fields} | {
            str(field.validation_alias).lower() for field in fields.values()
        }
        prefix = str(self.settings_cls.model_config.get("env_prefix", "")).lower()
        return {
            name: value
            for name, value in self._whole().items()
            if name.lower() in ours or name.lower().startswith(prefix)
        }


class SectionSettings(BaseSettings):
    """Base of all settings. A subclass names its `SECTION` and the matching `env_prefix`."""

    SECTION: ClassVar[str] = ""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_file=".env", env_file_encoding="utf-8")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            _OurDotenv(settings_cls, dotenv_settings),
            _TomlSection(settings_cls),
        )


SettingsT = TypeVar("SettingsT", bound=SectionSettings)


def config_dir() -> Path:
    """Return the folder with the TOML and CSV files: `ARB_CONFIG_DIR`, else `config`."""
    return Path(os.environ.get(CONFIG_DIR_VARIABLE, "config"))


def load_settings(settings_class: type[SettingsT], **overrides: Any) -> SettingsT:
    """Return the settings of one section.

    Raises:
        SettingsError: a key is unknown, missing, out of range or contradicts another.
    """
    _refuse_missing_folder()
    section = settings_class.SECTION
    prefix = f"ARB_{section.upper()}_"
    known = {prefix + name.upper() for name in settings_class.model_fields}
    strangers = sorted(name for name in os.environ if name.startswith(prefix) and name not in known)
    if strangers:
        raise SettingsError(
            f"environment: {', '.join(strangers)} is no setting; known are {', '.join(sorted(known))}"
        )
    try:
        return settings_class(**overrides)
    except UnparsedError as error:
        raise SettingsError(_unparsed(str(error), settings_class, prefix)) from None
    except ValidationError as error:
        path = config_dir() / f"{section}.toml"
        problems = [
            f"  {'.'.join(map(str, problem['loc'])) or 'together'}: {_in_words(problem, settings_class)}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError(
            f"settings of {section} ({path}, overridden by {prefix}* and .env):\n" + "\n".join(problems)
        ) from None


def _refuse_missing_folder() -> None:
    """A folder that is not there would mean the shipped settings, whatever the desk's own files say."""
    folder, given = config_dir(), os.environ.get(CONFIG_DIR_VARIABLE)
    if given is not None and not folder.is_dir():
        raise SettingsError(
            f"environment: {CONFIG_DIR_VARIABLE} names {str(folder)!r}, which is no folder. Name the folder "
            "that holds runtime.toml and the other files."
        )


def _unparsed(error: str, settings_class: type[BaseSettings], prefix: str) -> str:
    """Say which variable holds no list or table, and how one is written; its value may be a secret."""
    found = re.search(r'field "(\w+)"', error)
    name = found[1] if found else ""
    field = settings_class.model_fields.get(name)
    is_table = field is not None and get_origin(field.annotation) is dict
    form = '{"key": "value"}' if is_table else '["one", "two"]'
    return f"environment or .env: {prefix}{name.upper()} is not written as JSON; write it like {form}"


def _in_words(problem: ErrorDetails, settings_class: type[BaseSettings]) -> str:
    """Say what is wrong with one key, and how it is spelled right where it is unknown."""
    if problem["type"] != "extra_forbidden":
        return problem["msg"]
    names = sorted(settings_class.model_fields)
    near = get_close_matches(str(problem["loc"][-1]), names, n=1)
    known = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
    return f"this key is unknown; {known}"


class RuntimeSettings(SectionSettings):
    """What every process needs. File `config/runtime.toml`, variables `ARB_RUNTIME_*`."""

    SECTION: ClassVar[str] = "runtime"
    model_config = SettingsConfigDict(env_prefix="ARB_RUNTIME_")

    redis_url: str = "redis://127.0.0.1:6379/0"
    system: str = Field(SHIPPED_NAME, pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """The name of this system, the same on each of its machines. A Redis serves one system alone."""
    system_mode: SystemMode = SystemMode.REAL
    """`simulated` where the broker is a simulated one; `arb up` says so to what it starts."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    log_file: str = ""
    """Where structured lines go; empty writes to stderr."""
    metrics_port: int = Field(0, ge=0, le=65_535)
    """Prometheus port of this process; 0 serves nothing."""
    metrics_host: str = Field(LOOPBACK, min_length=1)
    """The interface of that port: whoever reaches it reads positions and money. 0.0.0.0 is all of them."""
    day_plan: str = ""
    """File of a compressed simulated day; empty is real time."""
    groups: tuple[GroupName, ...] = Field(("g1", "g2"), min_length=1)
    """The symbol groups that symbol_map.csv may name. Every service that reads all quotes goes by these."""

    @field_validator("redis_url")
    @classmethod
    def _understood(cls, url: str) -> str:
        try:
            # It connects to nothing; an option that no connection knows is a TypeError.
            ConnectionPool.from_url(url).make_connection()
        except (ValueError, TypeError):
            # What it says quotes the address, and that may hold a password.
            raise ValueError(
                "not an address of Redis; write redis://host:port/0, rediss://... or unix:///path, "
                "with a password as redis://:password@host:port/0 (its special characters as %40 and so on)"
            ) from None
        return url

    @field_validator("groups")
    @classmethod
    def _once(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(groups)) != len(groups):
            raise ValueError("names one twice; name each group of symbol_map.csv once")
        return groups
