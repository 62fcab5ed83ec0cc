"""From bytes of unknown origin to an upright RGB picture, or a reason why not."""
