"""No test fails for the time it takes: a machine may be busy with other things, other tests among them."""

from hypothesis import settings

settings.register_profile("thalweg", deadline=None)
settings.load_profile("thalweg")
