//! The messages of Nasdaq TotalView-ITCH 5.0, a struct for each in one enum.

/// What every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub stock_locate: u16,
    pub tracking_number: u16,
    pub timestamp: u64,
}

/// A security's symbol.
pub type Stock = [u8; 8];

/// A message; names are the specification's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    SystemEvent {
        head: Head,
        event_code: u8,
    },
    StockDirectory {
        head: Head,
        stock: Stock,
        market_category: u8,
        financial_status_indicator: u8,
        round_lot_size: u32,
        round_lots_only: u8,
        issue_classification: u8,
        issue_sub_type: [u8; 2],
        authenticity: u8,
        short_sale_threshold_indicator: u8,
        ipo_flag: u8,
        luld_reference_price_tier: u8,
        etp_flag: u8,
        etp_leverage_factor: u32,
        inverse_indicator: u8,
    },
    StockTradingAction {
        head: Head,
        stock: Stock,
        trading_state: u8,
        reserved: u8,
        reason: [u8; 4],
    },
    RegShoRestriction {
        head: Head,
        stock: Stock,
        reg_sho_action: u8,
    },
    AddOrder {
        head: Head,
        order_reference_number: u64,
        buy_sell_indicator: u8,
        shares: u32,
        stock: Stock,
        price: u32,
    },
    AddOrderMpidAttribution {
        head: Head,
        order_reference_number: u64,
        buy_sell_indicator: u8,
        shares: u32,
        stock: Stock,
        price: u32,
        attribution: [u8; 4],
    },
    OrderExecuted {
        head: Head,
        order_reference_number: u64,
        executed_shares: u32,
        match_number: u64,
    },
    OrderExecutedWithPrice {
        head: Head,
        order_reference_number: u64,
        executed_shares: u32,
        match_number: u64,
        printable: u8,
        execution_price: u32,
    },
    OrderCancel {
        head: Head,
        order_reference_number: u64,
        cancelled_shares: u32,
    },
    OrderDelete {
        head: Head,
        order_reference_number: u64,
    },
    OrderReplace {
        head: Head,
        original_order_reference_number: u64,
        new_order_reference_number: u64,
        shares: u32,
        price: u32,
    },
    Trade {
        head: Head,
        order_reference_number: u64,
        buy_sell_indicator: u8,
        shares: u32,
        stock: Stock,
        price: u32,
        match_number: u64,
    },
    CrossTrade {
        head: Head,
        shares: u64,
        stock: Stock,
        cross_price: u32,
        match_number: u64,
        cross_type: u8,
    },
    BrokenTrade {
        head: Head,
        match_number: u64,
    },
    NetOrderImbalanceIndicator {
        head: Head,
        paired_shares: u64,
        imbalance_shares: u64,
        imbalance_direction: u8,
        stock: Stock,
        far_price: u32,
        near_price: u32,
        current_reference_price: u32,
        cross_type: u8,
        price_variation_indicator: u8,
    },
    /// One of those that come a few times a day, whose bytes say the rest.
    Other {
        head: Head,
        message_type: u8,
    },
}

/// Takes fields off the front of a message.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_be_bytes)
    }

    fn u48(&mut self) -> Option<u64> {
        Some(u64::from(self.u16()?) << 32 | u64::from(self.u32()?))
    }

    fn head(&mut self) -> Option<Head> {
        Some(Head { stock_locate: self.u16()?, tracking_number: self.u16()?, timestamp: self.u48()? })
    }
}

impl Message {
    /// Reads a message; none where it is shorter than its type.
    #[expect(clippy::too_many_lines, reason = "the table of the specification's messages")]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (message_type, head) = (fields.u8()?, fields.head()?);
        Some(match message_type {
            b'S' => Self::SystemEvent { head, event_code: fields.u8()? },
            b'R' => Self::StockDirectory {
                head,
                stock: fields.bytes()?,
                market_category: fields.u8()?,
                financial_status_indicator: fields.u8()?,
                round_lot_size: fields.u32()?,
                round_lots_only: fields.u8()?,
                issue_classification: fields.u8()?,
                issue_sub_type: fields.bytes()?,
                authenticity: fields.u8()?,
                short_sale_threshold_indicator: fields.u8()?,
                ipo_flag: fields.u8()?,
                luld_reference_price_tier: fields.u8()?,
                etp_flag: fields.u8()?,
                etp_leverage_factor: fields.u32()?,
                inverse_indicator: fields.u8()?,
            },
            b'H' => Self::StockTradingAction {
                head,
                stock: fields.bytes()?,
                trading_state: fields.u8()?,
                reserved: fields.u8()?,
                reason: fields.bytes()?,
            },
            b'Y' => Self::RegShoRestriction { head, stock: fields.bytes()?, reg_sho_action: fields.u8()? },
            b'A' => Self::AddOrder {
                head,
                order_reference_number: fields.u64()?,
                buy_sell_indicator: fields.u8()?,
                shares: fields.u32()?,
                stock: fields.bytes()?,
                price: fields.u32()?,
            },
            b'F' => Self::AddOrderMpidAttribution {
                head,
                order_reference_number: fields.u64()?,
                buy_sell_indicator: fields.u8()?,
                shares: fields.u32()?,
                stock: fields.bytes()?,
                price: fields.u32()?,
                attribution: fields.bytes()?,
            },
            b'E' => Self::OrderExecuted {
                head,
                order_reference_number: fields.u64()?,
                executed_shares: fields.u32()?,
                match_number: fields.u64()?,
            },
            b'C' => Self::OrderExecutedWithPrice {
                head,
                order_reference_number: fields.u64()?,
                executed_shares: fields.u32()?,
                match_number: fields.u64()?,
                printable: fields.u8()?,
                execution_price: fields.u32()?,
            },
            b'X' => Self::OrderCancel { head, order_reference_number: fields.u64()?, cancelled_shares: fields.u32()? },
            b'D' => Self::OrderDelete { head, order_reference_number: fields.u64()? },
            b'U' => Self::OrderReplace {
                head,
                original_order_reference_number: fields.u64()?,
                new_order_reference_number: fields.u64()?,
                shares: fields.u32()?,
                price: fields.u32()?,
            },
            b'P' => Self::Trade {
                head,
                order_reference_number: fields.u64()?,
                buy_sell_indicator: fields.u8()?,
                shares: fields.u32()?,
                stock: fields.bytes()?,
                price: fields.u32()?,
                match_number: fields.u64()?,
            },
            b'Q' => Self::CrossTrade {
                head,
                shares: fields.u64()?,
                stock: fields.bytes()?,
                cross_price: fields.u32()?,
                match_number: fields.u64()?,
                cross_type: fields.u8()?,
            },
            b'B' => Self::BrokenTrade { head, match_number: fields.u64()? },
            b'I' => Self::NetOrderImbalanceIndicator {
                head,
                paired_shares: fields.u64()?,
                imbalance_shares: fields.u64()?,
                imbalance_direction: fields.u8()?,
                stock: fields.bytes()?,
                far_price: fields.u32()?,
                near_price: fields.u32()?,
                current_reference_price: fields.u32()?,
                cross_type: fields.u8()?,
                price_variation_indicator: fields.u8()?,
            },
            _ => Self::Other { head, message_type },
        })
    }
}
