"""One experiment's settings: refine.toml, read and checked once, before anything is paid for."""

from agent.config.load import DEFAULT_JUDGE, FILE, OPENAI_KEY, OPENAI_URL, SettingsError, known_traits, load_settings
from agent.config.settings import (
    TOYWORLD,
    EndpointSettings,
    Settings,
    SubjectSettings,
    ToyworldSettings,
    TraitSettings,
    is_trait_id,
)
