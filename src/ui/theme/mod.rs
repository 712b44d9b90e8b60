//! How things look: roles instead of colours, four colour depths, two sets of glyphs.

pub mod glyph;
pub mod load;
pub mod palette;

pub use glyph::GlyphChoice;
pub use glyph::Glyphs;
pub use load::ThemeText;
pub use load::Themes;
pub use palette::Depth;
pub use palette::Role;
pub use palette::Theme;
