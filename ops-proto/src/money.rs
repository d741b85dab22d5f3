//! Amounts between people and integers, by the decimals of ISO 4217.

use crate::Currency;

/// Returns the decimals of a currency; 2 where ISO 4217 has none or does not know it.
#[must_use]
pub fn exponent(currency: Currency) -> u8 {
    iso_currency::Currency::from_code(currency.as_str())
        .and_then(iso_currency::Currency::exponent)
        .and_then(|exponent| u8::try_from(exponent).ok())
        .unwrap_or(DECIMALS_DEFAULT)
}

/// Writes minor units as people do: `1250` of EUR is `12.50`.
#[must_use]
pub fn text(minor_units: u64, currency: Currency) -> String {
    let decimals = usize::from(exponent(currency));
    if decimals == 0 {
        return minor_units.to_string();
    }
    let width = decimals.saturating_add(1);
    let digits = format!("{minor_units:0>width$}");
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));

    format!("{whole}.{fraction}")
}

/// Writes minor units with the name of their currency, as every sentence does: `12.50 EUR`.
#[must_use]
pub fn words(minor_units: u64, currency: Currency) -> String {
    format!("{} {currency}", text(minor_units, currency))
}

/// Returns an amount as people write it in this currency, to show how: `12.50` of EUR, `12.500` of KWD, `1250` of JPY.
#[must_use]
pub fn example(currency: Currency) -> String {
    let scale = 10_u64.checked_pow(u32::from(exponent(currency)));
    let minor_units = match scale {
        Some(1) | None => EXAMPLE_WHOLE,
        Some(scale) => scale.saturating_mul(25) / 2,
    };

    text(minor_units, currency)
}

const DECIMALS_DEFAULT: u8 = 2;

/// What is shown of a currency without decimals.
const EXAMPLE_WHOLE: u64 = 1250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_the_decimals_of_its_currency() {
        let eur = "EUR".parse().expect("a code");
        let jpy = "JPY".parse().expect("a code");
        let kwd = "KWD".parse().expect("a code");

        assert_eq!(text(1250, eur), "12.50");
        assert_eq!(text(5, eur), "0.05");
        assert_eq!(text(0, eur), "0.00");
        assert_eq!(text(1250, jpy), "1250");
        assert_eq!(text(1250, kwd), "1.250");
        assert_eq!(text(u64::MAX, eur), "184467440737095516.15");
        assert_eq!(words(1250, kwd), "1.250 KWD");
    }

    #[test]
    fn an_example_is_an_amount_of_its_currency() {
        for (code, shown) in [("EUR", "12.50"), ("JPY", "1250"), ("KWD", "12.500")] {
            let currency = code.parse().expect("a code");

            assert_eq!(example(currency), shown);
            assert!(crate::Amount::parse(shown, exponent(currency)).is_ok());
        }
    }
}
