//! `conclave completions SHELL` and `conclave man`.

use std::io;

use clap::CommandFactory;

use crate::cli::args::Arguments;

/// Prints the completion script.
pub fn print(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "conclave", &mut script);
    Ok(io::Write::write_all(&mut io::stdout(), &script)?)
}

/// Prints the manual page in roff.
pub fn print_manual() -> anyhow::Result<()> {
    Ok(clap_mangen::Man::new(Arguments::command()).render(&mut io::stdout())?)
}
