//! Makes what releases go to from the `[[target]]` tables of the configuration.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use gatewright_core::secret::SecretString;
use gatewright_core::target::{MetricSource, Place, Site, Sites, Target, TargetError, TrafficRouter};
use gatewright_target::docker::{self, DockerTarget};
use gatewright_target::exec::{self, Program};
use gatewright_target::haproxy::Haproxy;
use gatewright_target::probe::HttpProbe;
use gatewright_target::prometheus::{self, Prometheus};
use gatewright_target::sites::{Opened, OpenedSites};

use crate::failure::Failure;
use crate::load;
use crate::secrets;
use crate::server_file::{
    LocatedSecret, MetricsTable, Problem, ProgramTable, Pull, RouterTable, Runs, ServerConfig, TargetTable,
};

/// Every secret of every target, for looking whether it is there, and whether anybody may read it.
pub(super) fn secrets(config: &ServerConfig) -> impl Iterator<Item = &LocatedSecret> {
    config.targets.iter().flat_map(|target| {
        let tokens = target.metrics.iter().filter_map(|source| match source {
            MetricsTable::Prometheus { token, .. } => token.as_ref(),
            MetricsTable::Router | MetricsTable::Probe(_) | MetricsTable::Exec(_) => None,
        });
        target.secrets.values().chain(tokens)
    })
}

/// The sites. `key` is the service's own for ever: what hashes of configurations are made under.
pub(super) fn sites(file: &Path, config: &ServerConfig, key: &SecretString) -> Result<Arc<dyn Sites>, Failure> {
    let build = Build { targets: &config.targets, key };
    let sites = build.all().map_err(|problem| load::wrong(file, &[problem]))?;
    Ok(Arc::new(OpenedSites::new(sites)))
}

struct Build<'c> {
    targets: &'c [TargetTable],
    key: &'c SecretString,
}

impl Build<'_> {
    fn all(&self) -> Result<Vec<Opened>, Problem> {
        // Targets on the same engine are one, so that its events are heard once.
        let mut engines: HashMap<(Option<String>, String, bool), Arc<dyn Target>> = HashMap::new();
        let mut opened = Vec::new();
        for table in self.targets {
            let program = match &table.runs {
                Runs::Exec(program) => Some((program.clone(), Arc::new(self.program(table, program)?))),
                Runs::Docker { .. } => None,
            };
            let target: Arc<dyn Target> = match (&table.runs, &program) {
                (Runs::Docker { engine, network, pull }, _) => {
                    let key = (engine.clone(), network.clone(), *pull == Pull::Missing);
                    Arc::clone(engines.entry(key).or_insert_with(|| self.docker(engine.as_ref(), network, *pull)))
                }
                (Runs::Exec(_), Some((_, program))) => Arc::clone(program) as _,
                (Runs::Exec(_), None) => unreachable!("it was made just now"),
            };
            let site = self.site(table, target, program)?;
            let (repository, environment) = (table.repository.clone(), table.environment.clone());
            opened.push(Opened { forge: table.forge, repository, environment, service: table.service.clone(), site });
        }
        Ok(opened)
    }

    fn docker(&self, engine: Option<&String>, network: &str, pull: Pull) -> Arc<dyn Target> {
        Arc::new(DockerTarget::new(docker::Config {
            engine: engine.cloned(),
            network: network.to_owned(),
            pull: match pull {
                Pull::Missing => docker::PullPolicy::Missing,
                Pull::Never => docker::PullPolicy::Never,
            },
            secrets: Arc::new(PlaceSecrets::of(self.targets)),
            hash_key: self.key.clone(),
        }))
    }

    fn program(&self, table: &TargetTable, program: &ProgramTable) -> Result<Program, Problem> {
        let secret = |(name, secret): (&String, &LocatedSecret)| Ok((name.clone(), secrets::resolve(secret)?));
        let env = table.secrets.iter().map(secret).collect::<Result<Vec<_>, Problem>>()?;
        Ok(Program::new(exec::Config { command: program.command.clone(), env, timeout_secs: program.timeout_secs }))
    }

    /// The target's own program where it is the same one, so that its limit of calls at once holds for all of them.
    fn same(
        &self,
        table: &TargetTable,
        wanted: &ProgramTable,
        own: Option<&(ProgramTable, Arc<Program>)>,
    ) -> Result<Arc<Program>, Problem> {
        match own {
            Some((program, made)) if program == wanted => Ok(Arc::clone(made)),
            Some(_) | None => Ok(Arc::new(self.program(table, wanted)?)),
        }
    }

    fn site(
        &self,
        table: &TargetTable,
        target: Arc<dyn Target>,
        own: Option<(ProgramTable, Arc<Program>)>,
    ) -> Result<Site, Problem> {
        let (router, counters): (Arc<dyn TrafficRouter>, Arc<dyn MetricSource>) = match &table.router {
            RouterTable::Haproxy(config) => {
                let haproxy = Arc::new(Haproxy::new(config.clone()));
                (haproxy.clone(), haproxy)
            }
            RouterTable::Exec(program) => {
                let program = self.same(table, program, own.as_ref())?;
                (program.clone(), program)
            }
        };
        let mut metrics: Vec<Arc<dyn MetricSource>> = Vec::new();
        for source in &table.metrics {
            metrics.push(match source {
                MetricsTable::Router => Arc::clone(&counters),
                MetricsTable::Exec(program) => self.same(table, program, own.as_ref())?,
                MetricsTable::Probe(config) => Arc::new(HttpProbe::new(config.clone(), Arc::clone(&target))),
                MetricsTable::Prometheus { url, token, requests, errors, latency, unit } => {
                    let token = token.as_ref().map(secrets::resolve).transpose()?;
                    let config = prometheus::Config {
                        url: url.clone(),
                        token,
                        requests: requests.clone(),
                        errors: errors.clone(),
                        latency: latency.clone(),
                        unit: *unit,
                    };
                    let made = Prometheus::new(config);
                    Arc::new(made.map_err(|error| crate::server_file::Origin::START.problem(error.to_string()))?)
                }
            });
        }
        Ok(Site { target, router, metrics })
    }
}

/// The secrets of all places.
struct PlaceSecrets(BTreeMap<(String, String), BTreeMap<String, LocatedSecret>>);

impl PlaceSecrets {
    fn of(targets: &[TargetTable]) -> Self {
        let of = |target: &TargetTable| ((target.service.clone(), target.environment.to_string()), target.secrets.clone());
        PlaceSecrets(targets.iter().map(of).collect())
    }
}

impl docker::Secrets for PlaceSecrets {
    /// Read for each container, so that one that was changed reaches the next.
    fn resolve(&self, place: &Place, name: &str) -> Result<SecretString, TargetError> {
        let refused = |cause: String| TargetError::Refused { what: format!("secret `{name}` of {place}"), cause };
        let all = self.0.get(&(place.service.clone(), place.environment.to_string()));
        let secret = all.and_then(|all| all.get(name));
        let secret =
            secret.ok_or_else(|| refused("the operator gives it none of this name, in `[target.secrets]`".to_owned()))?;
        secrets::resolve(secret).map_err(|problem| refused(problem.message))
    }
}
