//! `gatewright agent list`

use std::process::ExitCode;

use gatewright_core::store::Phase;

use crate::args::AgentsArgs;
use crate::commands::runs::tone_of_state;
use crate::desk::RunsQuery;
use crate::desk::agents::AgentsView;
use crate::failure::Failure;
use crate::print;
use crate::words;

pub(super) async fn run(args: AgentsArgs) -> Result<ExitCode, Failure> {
    let of = args.listed;
    let query = RunsQuery { repo: of.repo, state: of.state.map(Phase::from), limit: args.limit, before: of.before };
    let found = crate::commands::source(&of.config).await?.agents(&query).await?;
    if of.json {
        print::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |view: &AgentsView| {
        let cost = view.micro_usd.map_or_else(|| "not known".to_owned(), words::agent::usd);
        let row = vec![
            view.headline.clone(),
            view.run.id.to_string(),
            view.run.repo.path.clone(),
            view.run.title.clone(),
            view.turns.to_string(),
            cost,
            words::time(view.run.created_at),
        ];
        (tone_of_state(&view.run.state), row)
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let header = ["state", "run", "repository", "about", "turns", "cost", "accepted (UTC)"];
    print::table(&header, &rows, "no runs of agents")?;
    Ok(ExitCode::SUCCESS)
}
