//! `ringfence apply`

mod halt;

use super::approvals::beside;
use super::args::{ApplyArgs, Format, OnDrift, whos};
use super::interrupt::{Interrupt, each};
use super::plan::{Wanted, make, whole_seconds_of};
use super::session::{Session, name_of, read_file};
use super::terminal::Terminal;
use crate::aws::Aws;
use crate::error::{Error, Result};
use crate::execute::{Approvals, Executor};
use crate::exit::Exit;
use crate::identity::{PrincipalKind, Who};
use crate::plan::{Destination, Kind, Plan};
use crate::render::text;
use crate::state::State;
use crate::store::Key;
use crate::text::{count, shell};
use crate::view::{ApplyEvent, Ending, PrincipalEnding, Standing};
use std::time::Duration;

pub(super) async fn run(session: &Session<'_>, args: &ApplyArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let aws = session.aws().await;
    let Some(path) = &args.file else {
        return fresh(session, &aws, args).await;
    };
    // Read once: the bytes that are verified are the bytes that are parsed (D2.2).
    let bytes = read_file(path)?;
    let name = name_of(path);
    let plan = Plan::parse(&bytes, &name)?;
    let approvals = Approvals {
        file: Some(name.clone()),
        signatures: beside(path)?,
        local: session.local_approval()?,
        break_glass: args.break_glass.clone(),
    };
    refuse(session, &plan, &bytes, &approvals).await?;
    let shows = plan.recover.as_ref().is_some_and(|recover| recover.to == Destination::Stdout);
    if shows && !args.secret_to_stdout {
        return Err(Error::new(Exit::Forbidden, "the plan shows the secret of a new key")
            .because("whoever reads or keeps the output of this command would have it")
            .hint(format!("ringfence apply {} --secret-to-stdout", shell(&name))));
    }
    if !args.auto_approve {
        show(session, &plan, Some((&name, &crate::plan::sha256(&bytes))));
        session.terminal.confirm(&question(&plan)).await?;
    }
    execute(
        session,
        &aws,
        &Interrupt::default(),
        Run { plan: &plan, bytes: &bytes, settle: args.targets.settle, resumed: None, approvals },
    )
    .await
}

/// Refuses before anybody is asked what the executor would refuse afterwards, as far as it can be told here.
async fn refuse(
    session: &Session<'_>,
    plan: &Plan,
    bytes: &[u8],
    approvals: &Approvals,
) -> Result<()> {
    let (examination, trust) = session.examined(plan, bytes, &approvals.signatures).await?;
    examination.allow(approvals.file.as_deref(), approvals.break_glass.as_deref(), &trust)
}

/// Plans, shows and applies in one go.
async fn fresh(session: &Session<'_>, aws: &Aws, args: &ApplyArgs) -> Result<Exit> {
    let on_drift = args.targets.on_drift.unwrap_or(OnDrift::Tighten);
    if !args.again {
        let wanted = Wanted::from_args(session, &args.targets)?;
        return one(session, aws, args, &wanted, on_drift, &Interrupt::default()).await;
    }
    let whos = whos(&args.targets.users, &args.targets.roles);
    let interrupt = Interrupt::default();
    if whos.is_empty() || whos.iter().any(|who| who.kind() == PrincipalKind::Role) {
        return again(session, aws, args, &whos, on_drift, &interrupt).await;
    }
    each(
        session,
        &interrupt,
        &whos,
        async |who| {
            let whos = std::slice::from_ref(who);
            again(session, aws, args, whos, on_drift, &interrupt).await
        },
        Who::to_string,
        |left| {
            let flags: Vec<_> = left.iter().map(Who::flag).collect();
            format!("ringfence apply --again {}", flags.join(" "))
        },
    )
    .await
}

/// Contains again in one plan: the fence of a role lies past whoever else had to be stopped (F12).
async fn again(
    session: &Session<'_>,
    aws: &Aws,
    args: &ApplyArgs,
    whos: &[Who],
    on_drift: OnDrift,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let mut states: Vec<State> = Vec::new();
    for who in whos {
        let (_, state) = interrupt.unless_asked(session.find_who(who)).await?;
        crate::planner::is_to_be_contained_again(&state)?;
        if let Some(first) = states.first().filter(|first| first.posture != state.posture) {
            return Err(of_two_postures(first, &state, whos));
        }
        states.push(state);
    }
    let wanted = Wanted::again(session, &states, &args.targets)?;
    one(session, aws, args, &wanted, on_drift, interrupt).await
}

fn of_two_postures(one: &State, other: &State, whos: &[Who]) -> Error {
    let contained = |state: &State| {
        format!("{} is contained by `{}`", state.principal.who(), state.posture.name)
    };
    let flags: Vec<_> = whos.iter().map(Who::flag).collect();
    let message = format!(
        "{} and {} are contained by different postures",
        one.principal.who(),
        other.principal.who()
    );
    Error::new(Exit::Usage, message)
        .because("a role is asserted again in one plan with the others, and a plan has one posture")
        .detail(contained(one))
        .detail(contained(other))
        .hint(format!("no laxer for any of them: ringfence apply {}", flags.join(" ")))
}

async fn one(
    session: &Session<'_>,
    aws: &Aws,
    args: &ApplyArgs,
    wanted: &Wanted,
    on_drift: OnDrift,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let plan = interrupt.unless_asked(make(session, aws, wanted, on_drift)).await?;
    show(session, &plan, None);
    let blocked = plan.principals.iter().any(|principal| !principal.blocked.is_empty());
    // Asserting again records what was read, also where nothing has to be done: a run that was cut off, or
    // left partial, ends with it.
    if plan.is_empty() && !args.again && !tells_more(session, &plan).await? {
        beside_no_run(session, &plan).await?;
        return Ok(if blocked { Exit::Partial } else { Exit::Done });
    }
    let bytes = plan.bytes();
    let approvals = Approvals {
        local: session.local_approval()?,
        break_glass: args.break_glass.clone(),
        ..Approvals::default()
    };
    let agreed = async {
        refuse(session, &plan, &bytes, &approvals).await?;
        if !args.auto_approve && !plan.is_empty() {
            session.terminal.confirm(&question(&plan)).await?;
        }
        Ok(())
    };
    interrupt.unless_asked(agreed).await?;
    execute(
        session,
        aws,
        interrupt,
        Run { plan: &plan, bytes: &bytes, settle: None, resumed: None, approvals },
    )
    .await
}

/// Nothing to do beside a run that goes on is no end: what that run has written may not hold yet.
async fn beside_no_run(session: &Session<'_>, plan: &Plan) -> Result<()> {
    for principal in &plan.principals {
        let key = Key::of(plan, principal);
        if session.store.holder(&key).await?.is_some() {
            return Err(session.store.locked_error(&key).await);
        }
    }
    Ok(())
}

/// Whether the plan knows more of the exposure than the states do: that decides what a release gives back.
async fn tells_more(session: &Session<'_>, plan: &Plan) -> Result<bool> {
    for principal in &plan.principals {
        let key = Key::of(plan, principal);
        let state = session.store.load(&key).await?.filter(|state| !state.is_released());
        if state.is_some_and(|state| {
            state.compromised != principal.compromised || state.since != principal.since
        }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Shows what is about to be applied, with the file it came from and that file's digest.
fn show(session: &Session<'_>, plan: &Plan, file: Option<(&str, &str)>) {
    let mut shown = text::plan(plan, session.terminal.screen(), None);
    if let Some((name, digest)) = file {
        shown.push_str(&format!("From {}\n     sha256 {digest}\n", crate::text::shown(name)));
    }
    match session.format {
        // On standard output there is one event a line; the plan is for the person who answers.
        Format::Json => session.terminal.note(&shown),
        _ => session.terminal.print(&shown),
    }
}

fn question(plan: &Plan) -> String {
    let users = plan
        .principals
        .iter()
        .map(|principal| match principal.kind {
            PrincipalKind::User => format!("`{}`", principal.name),
            PrincipalKind::Role => principal.who().to_string(),
        })
        .collect::<Vec<_>>()
        .join(", ");
    let verb = match plan.kind {
        Kind::Contain => "Contain",
        Kind::Release => "Release",
        Kind::Recover => "Recover",
    };
    format!(
        "{verb} {users} in account {} with {}?",
        plan.account_id,
        count(plan.steps().len(), "step", "steps")
    )
}

/// What is to be run.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) bytes: &'a [u8],
    /// A shorter watch than the plan's.
    pub(super) settle: Option<Duration>,
    /// The run that was cut off, if it is one.
    pub(super) resumed: Option<&'a str>,
    /// What allows it; a run that is resumed was allowed when it began.
    pub(super) approvals: Approvals,
}

/// Applies a plan, or goes on with it, and prints what happens as it happens.
pub(super) async fn execute(
    session: &Session<'_>,
    aws: &Aws,
    interrupt: &Interrupt,
    run: Run<'_>,
) -> Result<Exit> {
    let plan = run.plan;
    interrupt.listen();
    let halt = halt::watcher(session.terminal);
    let screen = session.terminal.screen();
    let widths = text::widths(plan);
    let json = session.format == Format::Json;
    let mut emit = |event: ApplyEvent| {
        if let ApplyEvent::Settling { watched_s, for_s, tampering } = event {
            session.terminal.progress(&text::settling(watched_s, for_s, tampering));
        } else if json {
            // Serialising to memory fails only for maps with keys that are no text; there are none here.
            let line = serde_json::to_string(&event).unwrap_or_default();
            session.terminal.print(&line);
        } else if let Some(line) = text::apply_event(&event, screen, &widths) {
            session.terminal.end_progress();
            session.terminal.print(&line);
        }
    };
    let mut executor = Executor {
        aws,
        store: &session.store,
        context: &session.context,
        lock_timeout: session.lock_timeout,
        deadline: session.config.deadline,
        settle_at_most: run.settle.map(whole_seconds_of),
        owner: session.owner(),
        protected_users: &session.config.protected_users,
        protected_roles: &session.config.protected_roles,
        approvals: run.approvals,
        stop: interrupt.stop(),
        emit: &mut emit,
        output_lost: &Terminal::missed_output,
        watcher: halt.as_deref(),
    };
    let ended = match run.resumed {
        Some(id) => executor.resume(plan, run.bytes, id).await,
        None => executor.apply(plan, run.bytes).await,
    };
    session.terminal.end_progress();
    let ending = ended?;
    if !json {
        print_ending(session, &ending);
    }
    // What others undo as it is done does not hold, though every step was made; nor does what was never in a step.
    let undone =
        |one: &PrincipalEnding| matches!(one.standing, Standing::Weakened | Standing::NotContained);
    let holds = plan.kind != Kind::Contain || !ending.principals.iter().any(undone);
    Ok(if ending.complete && holds { Exit::Done } else { Exit::Partial })
}

fn print_ending(session: &Session<'_>, ending: &Ending) {
    let shown = match session.format {
        Format::Markdown => crate::render::markdown::ending(ending),
        _ => text::ending(ending, session.terminal.screen()),
    };
    session.terminal.print(&shown);
}
