//! Which layouts there are, and which one is on.

/// How the stage is divided, as the user chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayoutChoice {
    /// What is shared large if there is something, everybody alike if not.
    #[default]
    Auto,
    /// Everybody alike.
    Grid,
    /// Whoever speaks, alone.
    Speaker,
    /// Whoever speaks large, the others in a row below.
    Filmstrip,
    /// What is shared large, people beside it.
    Screen,
    /// Names and meters.
    Meters,
}

impl LayoutChoice {
    /// All layouts in the order in which they come up.
    pub const ALL: [Self; 6] =
        [Self::Auto, Self::Grid, Self::Speaker, Self::Filmstrip, Self::Screen, Self::Meters];

    /// The name that `:layout` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Grid => "grid",
            Self::Speaker => "speaker",
            Self::Filmstrip => "filmstrip",
            Self::Screen => "screen",
            Self::Meters => "meters",
        }
    }

    /// The layout of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.name().eq_ignore_ascii_case(name))
    }

    /// The one that comes next, round and round.
    #[must_use]
    pub fn next(self) -> Self {
        let place = Self::ALL.into_iter().position(|layout| layout == self).unwrap_or(0);
        Self::ALL.into_iter().cycle().nth(place + 1).unwrap_or_default()
    }

    /// One tile stands out in it.
    #[must_use]
    pub const fn has_featured(self) -> bool {
        matches!(self, Self::Speaker | Self::Filmstrip | Self::Screen)
    }
}
