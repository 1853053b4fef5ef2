//! Stages whose agent is a program of the repository's choice: what it is told, what it may reach, and what becomes of its work.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use gatewright_core::model::{Ask, Model, ModelError, ModelName, NoModels, Price, ProviderHealth, Reply};
use gatewright_core::sandbox::Injection;
use gatewright_tests::on_every_forge;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::{GitHubStage, Scene};
use insta::assert_snapshot;

use super::{MENDED, broken, proposed, reference, said};

/// The provider's key, which no sandbox and nobody who reads of the run ever sees.
const KEY: &str = "sk-c4n4ry-c4n4ry-c4n4ry";

/// It looks at what it is told, asks its provider, and mends the sum.
const MENDS: &str = with_agents!(
    "
  fix:
    tries: 2
    steps:
      - agent:
          name: sed
          keys: some-provider
          run: |
            printf '%s\\n' \"$GATEWRIGHT_TASK\" | grep 'gate tests' || exit 1
            env | grep c4n4ry && exit 2
            test \"$(wget -q -O - -Y off \"$SOME_PROVIDER_BASE_URL/v1/messages\")\" = 'use a plus' || exit 3
            sed -i 's/\\$1 - \\$2/$1 + $2/' add.sh
      - verify
"
);

/// It mends nothing, and says that all is well.
const CLAIMS: &str = with_agents!(
    "
  fix: { tries: 2, steps: [{ agent: { name: claims, run: 'echo all is well' } }, verify] }
"
);

/// It writes where no agent may, too.
const TRESPASSES: &str = with_agents!("
  fix:
    steps:
      - agent: { name: sed, run: \"sed -i 's/[$]1 - [$]2/$1 + $2/' add.sh; mkdir .github; echo x > .github/CODEOWNERS; echo true > test.sh\" }
      - verify
");

/// It puts in what it is given.
const GIVEN: &str = with_agents!(
    "
  fix:
    inputs:
      operator: { description: what belongs between the two, options: ['*', '+'], default: '*' }
    steps:
      - agent:
          name: sed
          run: |
            printf '%s\\n' \"$GATEWRIGHT_TASK\" | grep -F \"(what belongs between the two): $GATEWRIGHT_INPUT_OPERATOR\" || exit 1
            sed -i \"s/ - / $GATEWRIGHT_INPUT_OPERATOR /\" add.sh
      - verify
"
);

const FAILS: &str = with_agents!(
    "
  fix: { tries: 1, steps: [{ agent: { name: fails, run: 'exit 3' } }, verify] }
"
);

/// What a provider was asked, a line each.
type Asked = Arc<Mutex<Vec<String>>>;

/// A provider on loopback.
async fn provider() -> (String, Asked) {
    async fn answer(State(asked): State<Asked>, uri: Uri, headers: HeaderMap) -> &'static str {
        let key = headers.get("x-api-key").map_or("none", |key| key.to_str().unwrap_or("not text"));
        asked.lock().expect("no test panics while it holds this").push(format!("{uri} {key}"));
        "use a plus\n"
    }
    let asked = Asked::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), asked)
}

/// No models to ask, and a provider whose key programs may use.
struct Lends(Injection);

#[async_trait]
impl Model for Lends {
    async fn reply(&self, ask: &Ask) -> Result<Reply, ModelError> {
        NoModels.reply(ask).await
    }

    fn price(&self, model: &ModelName) -> Option<Price> {
        NoModels.price(model)
    }

    fn usual(&self) -> Vec<ModelName> {
        NoModels.usual()
    }

    fn unknown(&self, model: &ModelName) -> Option<String> {
        NoModels.unknown(model)
    }

    fn health(&self) -> Vec<ProviderHealth> {
        NoModels.health()
    }

    fn injection(&self, provider: &str) -> Option<Injection> {
        (provider == self.0.name).then(|| self.0.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_asks_its_provider_without_knowing_the_key_and_its_work_is_proposed() {
    let (base_url, asked) = provider().await;
    let lent = Injection { name: "some-provider".to_owned(), base_url, header: ("x-api-key".to_owned(), KEY.to_owned().into()) };
    let forge = Arc::new(GitHubStage::start().await);
    let scene = Scene::with(forge, MENDS, |setting: &mut Setting| setting.models = Arc::new(Lends(lent))).await;
    let (number, head) = broken(&scene).await;
    scene.say(number, "wendy", "/gw fix").await;
    let proposal = proposed(&scene);
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    assert_eq!(*asked.lock().expect("nobody panics"), [format!("/v1/messages {KEY}")]);
    let shown = format!("{}{}", proposal.body, said(&scene, number, &head));
    assert!(!shown.contains("c4n4ry"), "{shown}");
    assert_snapshot!(said(&scene, number, &head).replace(&reference(&scene, proposal.item.number()), "NUMBER"), @"
    ### fix: a pull request is proposed

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | sed |  |  |
    | ✅ | verify: tests |  |  |
    | ✅ | final check: tests |  |  |

    - Proposed as NUMBER, a draft. Passed in a fresh sandbox: tests.
    ");
    scene.end().await;
}

on_every_forge!(
    a_program_that_claims_to_be_done_is_believed_by_nobody(CLAIMS),
    what_a_program_wrote_where_no_agent_may_is_left_out(TRESPASSES),
    a_program_that_fails_is_said_to(FAILS),
    no_program_has_a_key_that_the_operator_has_not_lent(MENDS),
    a_command_gives_inputs_and_what_is_wrong_with_them_is_answered(GIVEN),
);

async fn fixed(scene: &Scene) -> String {
    let (number, head) = broken(scene).await;
    scene.say(number, "wendy", "/gw fix").await;
    said(scene, number, &head)
}

async fn a_command_gives_inputs_and_what_is_wrong_with_them_is_answered(scene: Scene) {
    let (number, head) = broken(&scene).await;
    scene.say(number, "wendy", "/gw fix operator=/ the sum").await;
    let answer = scene.replies(number).pop().expect("it is answered");
    assert!(answer.contains("the input `operator` is one of `*` and `+`"), "{answer}");
    scene.say(number, "wendy", "/gw fix operator=+ the sum").await;
    assert!(said(&scene, number, &head).contains("a pull request is proposed"), "{}", said(&scene, number, &head));
    let commit = scene.forge.head_of(&proposed(&scene).branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    scene.end().await;
}

async fn a_program_that_claims_to_be_done_is_believed_by_nobody(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"
    ### fix: stopped early, with nothing to propose

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | claims |  | after 2 tries |
    | ❌ | verify: tests |  | tests did not pass |
    | ⏭️ | final check: tests |  |  |

    Stopped: tests did not pass.

    - Nothing was changed.
    ");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn what_a_program_wrote_where_no_agent_may_is_left_out(scene: Scene) {
    let said = fixed(&scene).await;
    let proposal = proposed(&scene);
    assert_snapshot!(said.replace(&reference(&scene, proposal.item.number()), "NUMBER"), @"
    ### fix: a pull request is proposed

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | sed |  |  |
    | ✅ | verify: tests |  |  |
    | ✅ | final check: tests |  |  |

    - Proposed as NUMBER, a draft. Passed in a fresh sandbox: tests.
    ");
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    assert_eq!(scene.forge.file(&commit, ".github/CODEOWNERS"), None);
    assert_eq!(scene.forge.file(&commit, "test.sh").as_deref(), Some(super::TEST), "what judges the work is not its own");
    scene.end().await;
}

async fn a_program_that_fails_is_said_to(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"
    ### fix: stopped early, with nothing to propose

    | | stage | turns | |
    |---|---|--:|---|
    | ❌ | fails |  | it ended with 3 |
    | ⏭️ | verify: tests |  |  |
    | ⏭️ | final check: tests |  |  |

    Stopped: fails: it ended with 3.

    - Nothing was changed.
    ");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn no_program_has_a_key_that_the_operator_has_not_lent(scene: Scene) {
    let said = fixed(&scene).await;
    assert!(said.contains("| ❌ | sed |  | no program may use the key of"), "{said}");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}
