//! A script of the suite as a list of commands.

use crate::value::{Expected, Value, argument, expected};
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, Wat};

/// A module's bytes, or why the text parser refuses it.
pub type Encoded = Result<Vec<u8>, String>;

/// What a script does with a module instance.
#[derive(Clone, Debug)]
pub enum Action {
    /// Calls an exported function.
    Invoke {
        /// The instance, the last one by default.
        module: Option<String>,
        /// The export.
        export: String,
        /// The arguments; `None` if the machine has no such value.
        args: Option<Vec<Value>>,
    },
    /// Reads an exported global.
    Get {
        /// The instance, the last one by default.
        module: Option<String>,
        /// The export.
        export: String,
    },
}

/// How an action has to end.
#[derive(Clone, Debug)]
pub enum End {
    /// It returns, whatever the results.
    Any,
    /// It returns these results; `None` if the machine has no such value.
    Return(Option<Vec<Expected>>),
    /// It traps.
    Trap,
    /// It runs out of stack.
    Exhaustion,
}

/// One command of a script.
#[derive(Debug)]
pub enum Command {
    /// Instantiates a module, which has to succeed, or has to trap.
    Module {
        /// The name for later commands.
        name: Option<String>,
        /// The module.
        wasm: Encoded,
        /// Whether it traps.
        traps: bool,
    },
    /// Makes an instance's exports importable.
    Register {
        /// First name of such imports.
        name: String,
        /// The instance, the last one by default.
        module: Option<String>,
    },
    /// Acts on an instance.
    Act(Action, End),
    /// A module that validation has to refuse.
    Invalid(Encoded),
    /// Bytes that are no module.
    Malformed(Encoded),
    /// A module that can't be linked.
    Unlinkable(Encoded),
    /// Something else.
    Other(&'static str),
}

/// The commands of a script, each with its line.
pub fn commands(text: &str) -> Result<Vec<(usize, Command)>, String> {
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(|e| e.to_string())?;
    let script = parse::<Wast<'_>>(&buffer).map_err(|e| e.to_string())?;
    let command = |directive: WastDirective<'_>| {
        let line = directive.span().linecol_in(text).0 + 1;
        (line, command(directive))
    };
    Ok(script.directives.into_iter().map(command).collect())
}

fn command(directive: WastDirective<'_>) -> Command {
    match directive {
        WastDirective::Module(mut module) => Command::Module {
            name: module.name().map(owned),
            wasm: encode(&mut module),
            traps: false,
        },
        WastDirective::Register { name, module, .. } => Command::Register {
            name: name.to_owned(),
            module: module.map(owned),
        },
        WastDirective::Invoke(call) => Command::Act(invoke(&call), End::Any),
        WastDirective::AssertReturn { exec, results, .. } => {
            let results = results.iter().map(expected).collect();
            execute(exec, End::Return(results))
        }
        WastDirective::AssertTrap { exec, .. } => execute(exec, End::Trap),
        WastDirective::AssertExhaustion { call, .. } => {
            Command::Act(invoke(&call), End::Exhaustion)
        }
        WastDirective::AssertInvalid { mut module, .. } => Command::Invalid(encode(&mut module)),
        WastDirective::AssertMalformed { mut module, .. } => {
            Command::Malformed(encode(&mut module))
        }
        WastDirective::AssertUnlinkable { mut module, .. } => {
            Command::Unlinkable(module.encode().map_err(|e| e.to_string()))
        }
        WastDirective::ModuleDefinition(_) => Command::Other("module definition"),
        WastDirective::ModuleInstance { .. } => Command::Other("module instance"),
        WastDirective::AssertInvalidCustom { .. } => Command::Other("assert_invalid_custom"),
        WastDirective::AssertMalformedCustom { .. } => Command::Other("assert_malformed_custom"),
        WastDirective::AssertException { .. } => Command::Other("assert_exception"),
        WastDirective::AssertSuspension { .. } => Command::Other("assert_suspension"),
        WastDirective::Thread(_) => Command::Other("thread"),
        WastDirective::Wait { .. } => Command::Other("wait"),
    }
}

fn execute(exec: WastExecute<'_>, end: End) -> Command {
    match exec {
        WastExecute::Invoke(call) => Command::Act(invoke(&call), end),
        WastExecute::Get { module, global, .. } => {
            let module = module.map(owned);
            let export = global.to_owned();
            Command::Act(Action::Get { module, export }, end)
        }
        WastExecute::Wat(mut module) => Command::Module {
            name: match &module {
                Wat::Module(module) => module.id.map(owned),
                Wat::Component(_) => None,
            },
            wasm: module.encode().map_err(|e| e.to_string()),
            traps: matches!(end, End::Trap | End::Exhaustion),
        },
    }
}

fn invoke(call: &WastInvoke<'_>) -> Action {
    Action::Invoke {
        module: call.module.map(owned),
        export: call.name.to_owned(),
        args: call.args.iter().map(argument).collect(),
    }
}

fn encode(module: &mut QuoteWat<'_>) -> Encoded {
    module.encode().map_err(|e| e.to_string())
}

fn owned(id: Id<'_>) -> String {
    id.name().to_owned()
}
