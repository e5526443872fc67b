"""Which webhooks the settings speak of, and their addresses."""

from services.notifier.settings import NotifierSettings
from services.runtime.settings import SettingsError, config_dir
from services.runtime.slack import WebhookUnusable, variable_of, webhook_url


def webhook_addresses(settings: NotifierSettings) -> dict[str, str]:
    """Return the address of every webhook that the settings speak of, by name; empty: the terminal.

    Raises:
        SettingsError: one cannot be used, or some have an address and others none.
    """
    try:
        found = {name: webhook_url(config_dir(), name) for name in settings.webhook_names}
    except WebhookUnusable as error:
        raise SettingsError(str(error)) from None
    given = {name: url for name, url in found.items() if url is not None}
    missing = [variable_of(name) for name in found if name not in given]
    if given and missing:
        raise SettingsError(
            f"no address for {', '.join(missing)}: give it (docs/slack.md), or no other either"
        )
    return given
