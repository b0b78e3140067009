//! The shipped protocols, as the Python side hands them over.

use std::sync::Arc;

use feedhandler_core::plan::Plan;
use feedhandler_core::spec::{HeaderSpec, ProtocolSpec};

/// A protocol: what it says, and what was made of it.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// As handed over.
    pub spec: Arc<ProtocolSpec>,
    /// Compiled.
    pub plan: Arc<Plan>,
}

impl Protocol {
    fn new(json: &str) -> Self {
        Self::of(serde_json::from_str(json).expect("a plan of the tests"))
    }

    fn of(spec: ProtocolSpec) -> Self {
        let plan = Plan::new(&spec).expect("a plan of the tests");
        Self { spec: Arc::new(spec), plan: Arc::new(plan) }
    }
}

/// ITCH whose sequence numbers have but two bytes: they wrap.
#[must_use]
pub fn narrow() -> Protocol {
    let mut spec = (*itch50().spec).clone();
    if let HeaderSpec::Binary(header) = &mut spec.framing.header
        && let Some(sequence) = &mut header.sequence
    {
        (sequence.offset, sequence.width) = (sequence.offset + sequence.width - 2, 2);
    }
    Protocol::of(spec)
}

macro_rules! protocols {
    ($($name:ident, $file:literal, $what:literal;)*) => {
        $(
            #[doc = $what]
            #[must_use]
            pub fn $name() -> Protocol {
                Protocol::new(include_str!(concat!("../../crates/feedhandler-core/tests/plans/", $file)))
            }
        )*

        /// All of them.
        #[must_use]
        pub fn all() -> Vec<Protocol> {
            vec![$($name()),*]
        }
    };
}

protocols! {
    itch50, "itch50.json", "Nasdaq TotalView-ITCH 5.0.";
    iex_tops, "iex-tops.json", "IEX TOPS.";
    iex_deep, "iex-deep.json", "IEX DEEP.";
    cme_mdp3, "cme-mdp3.json", "CME MDP 3.0, with a schema of the tests.";
    everything, "everything.json", "SBE, with a schema of the tests that says all that one can say.";
    iex_deep_plus, "iex-deep-plus.json", "IEX DEEP+.";
    nyse_xdp, "nyse-xdp.json", "NYSE XDP.";
    cboe_pitch, "cboe-pitch.json", "Cboe Multicast PITCH.";
    nasdaq_bbo, "nasdaq-bbo.json", "Nasdaq, BX and PSX BBO.";
    nasdaq_nls_plus, "nasdaq-nls-plus.json", "Nasdaq NLS Plus.";
    msgpack, "msgpack.json", "Our own msgpack feed.";
    crypto_trades, "crypto_trades.json", "msgpack by key, without packets: the example of a protocol that a user adds.";
}
