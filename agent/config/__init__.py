"""Settings of an experiment: refine.toml, loaded and validated."""

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
