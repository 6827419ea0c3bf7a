"""The one reader of the environment: every setting, typed, with its default.

Belongs here: what an operator may choose. Does not belong here: what a file's sender chooses (`sources.yaml`).
"""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from emma_platform.model.access import Role

_EVERYBODY = "everybody"


def _names(listed: str) -> list[str]:
    return [name for part in listed.split(",") if (name := part.strip())]


class Settings(BaseSettings):
    """The platform's settings; each is read from the environment as EMMA_ and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="EMMA_", frozen=True)

    home: Path = Field(Path(".emma"), description="Where everything lasting is kept.")
    ledger_url: str | None = Field(None, description="The ledger's database; unset, a SQLite file in home.")
    first_day: date = Field(date(2000, 1, 1), description="The first day of the platform; earlier rows are set aside.")
    quiet_seconds: float = Field(2.0, ge=0, description="A file is taken when it has not changed for this long.")
    max_attempts: int = Field(
        3, ge=1, description="How often a file that fails is tried before it waits for a new content."
    )
    batch_megabytes: int = Field(
        128, ge=1, description="Input read into memory at once; bounds the memory of a rebuild."
    )
    max_line_megabytes: int = Field(16, ge=1, description="The longest line a text file may hold.")
    non_product_codes: str = Field("", description="More codes that stand for no product, separated by commas.")
    threads: int = Field(0, ge=0, description="Threads of the engine; 0 takes every core.")
    batch_nice: int = Field(
        10, ge=0, le=19,
        description="How far what computes (updates, and Dagster beside `emma serve`) stands back for what answers on"
        " the same machine, as nice counts; 0 not at all.",
    )  # fmt: skip
    memory_limit: str = Field("1.5GB", description="Memory of the engine; it spills to disk beyond.")
    forecast_history_days: int = Field(730, ge=28, description="Days of history that a forecast looks at.")
    forecast_engine: Literal["fast", "best"] = Field(
        "fast",
        description="fast, or best: gradient boosting besides, trained once a week, where it proved better; needs the"
        " extra boosting.",
    )
    minimum_margin_pct: float = Field(
        5.0, description="Lowest margin a recommended price may leave, in percent of the price."
    )
    largest_step_pct: float = Field(10.0, gt=0, description="Largest change of a price at once, in percent.")
    price_endings: str = Field(
        "0.09,0.19,0.29,0.39,0.49,0.59,0.69,0.79,0.89,0.99", description="What a price may end in."
    )
    price_cool_down_days: int = Field(
        14, ge=0, description="Days after a change of a price before another change is recommended."
    )
    price_change_cost: float = Field(
        0.50, ge=0, allow_inf_nan=False,
        description="What changing a price once costs, in the currency of the sales; a change that gains less in 28"
        " days is not advised. 0 asks for a gain of a cent.",
    )  # fmt: skip
    kept_publications: int = Field(7, ge=1, description="Publications that stay readable.")
    kept_runs: int = Field(
        100, ge=1, description="Runs whose pages and events Dagster keeps; of older ones, what they left as it is."
    )
    users_url: str | None = Field(None, description="The users' database; unset, a SQLite file in home.")
    company: str = Field("", description="The company's name; no password may be made of it.")
    public_url: str | None = Field(
        None, description="Where people reach the page, as https://emma.example.com; one-time links begin with it."
    )
    oidc_issuer: str | None = Field(
        None, description="The company's OpenID Connect provider, as https://login.example.com; needs the extra oidc."
    )
    oidc_client_id: str | None = Field(None, description="What the provider knows Emma Platform as.")
    oidc_client_secret: SecretStr | None = Field(None, description="The secret that goes with it.")
    oidc_name_claim: str = Field(
        "preferred_username", description="The claim that holds a user's name; nobody may be able to choose it."
    )
    second_factor_for: str = Field(
        "", description="Roles that must have a second factor, by commas, or everybody; empty, it is offered to all."
    )
    secrets_key_file: Path | None = Field(
        None,
        description="A file with a key (openssl rand -base64 32) that the secrets of second factors are encrypted"
        " with; needs cryptography, which the extra oidc brings.",
    )
    breached_passwords_file: Path | None = Field(
        None,
        description="The file that the Pwned Passwords downloader writes: no new password may be one of it.",
    )
    session_idle_minutes: int = Field(30, ge=1, description="A session that is not used for so long ends.")
    session_days: int = Field(7, ge=1, description="A session ends after so many days, used or not.")
    audit_days: int = Field(400, ge=1, description="Lines of the audit log are deleted after so many days.")
    password_passes: int = Field(2, ge=1, description="Argon2's passes over its memory for one password.")
    password_kibibytes: int = Field(19456, ge=8, description="Argon2's memory for one password.")
    trusted_proxies: str = Field(
        "",
        description="Proxies whose word on who asks the web application counts, by commas; * is all.",
    )
    metrics_token: SecretStr | None = Field(
        None, description="Who sends it may read /metrics; unset, only this machine may."
    )
    request_log: Path | None = Field(None, description="The file for a line of JSON a web request; unset, stderr.")
    dagster_port: int | None = Field(
        None, description="Port of the Dagster UI behind the sign-in; `emma serve` sets it when it runs it."
    )
    maintenance_cron: str = Field("30 3 * * *", description="When maintenance runs, in UTC, as cron writes it.")

    @field_validator("second_factor_for")
    @classmethod
    def _are_roles(cls, roles: str) -> str:
        """Whom nobody would ask for a second factor, because of a slip in a name, is noticed here."""
        known = [*Role, _EVERYBODY]
        if wrong := [name for name in _names(roles) if name not in known]:
            raise ValueError(f"there is no role {', '.join(wrong)}; there are {', '.join(known)}")
        return roles

    @field_validator("secrets_key_file")
    @classmethod
    def _can_encrypt(cls, file: Path | None) -> Path | None:
        """What encrypts comes with an extra: said here, and not at the first second factor."""
        if file is not None and find_spec("cryptography") is None:
            raise ValueError("a key needs cryptography: pip install emma-platform[oidc]")
        return file

    @field_validator("forecast_engine")
    @classmethod
    def _is_installed(cls, engine: str) -> str:
        """The best engine's library is an extra: said here, and not after the first half of a batch."""
        if engine == "best" and find_spec("lightgbm") is None:
            raise ValueError("best needs LightGBM: pip install emma-platform[boosting], or choose fast")
        return engine

    @property
    def second_factor_roles(self) -> frozenset[Role]:
        """The roles that must have a second factor."""
        names = _names(self.second_factor_for)
        return frozenset(Role) if _EVERYBODY in names else frozenset(map(Role, names))

    @property
    def landing(self) -> Path:
        """Where files are dropped."""
        return self.home / "landing"

    @property
    def archive(self) -> Path:
        """Where every file that was taken is kept, under its hash."""
        return self.home / "archive"

    @property
    def lake(self) -> Path:
        """Where the tables are kept."""
        return self.home / "lake"

    @property
    def published(self) -> Path:
        """Where publications are kept."""
        return self.home / "published"

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its state."""
        return self.home / "dagster"

    @property
    def spill(self) -> Path:
        """Where the engine spills to disk."""
        return self.home / "spill"

    @property
    def sources_file(self) -> Path:
        """The description of the files."""
        return self.home / "sources.yaml"

    @property
    def ledger(self) -> str:
        """The ledger's database URL."""
        return self.ledger_url or f"sqlite:///{(self.home / 'ledger.db').absolute()}"

    @property
    def users(self) -> str:
        """The users' database URL."""
        return self.users_url or f"sqlite:///{(self.home / 'users.db').absolute()}"
