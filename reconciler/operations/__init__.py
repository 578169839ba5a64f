"""Operations on the live state beside plan and apply: archive, restore, import."""
