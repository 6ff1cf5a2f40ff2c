//! The marketplaces, the regions they are in, and the hosts on which their sellers sign in.
//!
//! Vendor pages: "Marketplace IDs", "SP-API endpoints", "Seller Central URLs".

/// A region: one authorization belongs to one of them and serves all its marketplaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Region {
    /// North America, with Brazil.
    Na,
    /// Europe, with the Middle East, Africa and India.
    Eu,
    /// The Far East, with Australia.
    Fe,
}

impl Region {
    /// Its name in addresses and in what is kept.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Na => "na",
            Self::Eu => "eu",
            Self::Fe => "fe",
        }
    }

    /// Where its API is reached.
    pub(super) fn api_url(self) -> &'static str {
        match self {
            Self::Na => "https://sellingpartnerapi-na.amazon.com",
            Self::Eu => "https://sellingpartnerapi-eu.amazon.com",
            Self::Fe => "https://sellingpartnerapi-fe.amazon.com",
        }
    }
}

/// A marketplace.
#[derive(Debug)]
pub(super) struct Marketplace {
    /// Its country's code, as settings name it.
    pub(super) country: &'static str,
    /// The vendor's id.
    pub(super) id: &'static str,
    /// What comes after `amazon.` in its addresses.
    pub(super) ending: &'static str,
    /// The region.
    pub(super) region: Region,
    /// The currency that its offers are priced in.
    pub(super) currency: &'static str,
    /// The language of its listings.
    pub(super) language: &'static str,
}

impl Marketplace {
    /// The origin of the Seller Central on which its sellers consent.
    pub(super) fn consent_url(&self) -> String {
        format!("https://sellercentral.amazon.{}", self.ending)
    }
}

const fn at(
    (country, id, ending): (&'static str, &'static str, &'static str),
    region: Region,
    currency: &'static str,
    language: &'static str,
) -> Marketplace {
    Marketplace { country, id, ending, region, currency, language }
}

/// All of them, by country.
pub(super) static MARKETPLACES: [Marketplace; 23] = [
    at(("AE", "A2VIGQ35RCS4UG", "ae"), Region::Eu, "AED", "en_AE"),
    at(("AU", "A39IBJ37TRP1C6", "com.au"), Region::Fe, "AUD", "en_AU"),
    at(("BE", "AMEN7PMS3EDWL", "com.be"), Region::Eu, "EUR", "fr_BE"),
    at(("BR", "A2Q3Y263D00KWC", "com.br"), Region::Na, "BRL", "pt_BR"),
    at(("CA", "A2EUQ1WTGCTBG2", "ca"), Region::Na, "CAD", "en_CA"),
    at(("DE", "A1PA6795UKMFR9", "de"), Region::Eu, "EUR", "de_DE"),
    at(("EG", "ARBP9OOSHTCHU", "eg"), Region::Eu, "EGP", "ar_AE"),
    at(("ES", "A1RKKUPIHCS9HS", "es"), Region::Eu, "EUR", "es_ES"),
    at(("FR", "A13V1IB3VIYZZH", "fr"), Region::Eu, "EUR", "fr_FR"),
    at(("GB", "A1F83G8C2ARO7P", "co.uk"), Region::Eu, "GBP", "en_GB"),
    at(("IE", "A28R8C7NBKEWEA", "ie"), Region::Eu, "EUR", "en_IE"),
    at(("IN", "A21TJRUUN4KGV", "in"), Region::Eu, "INR", "en_IN"),
    at(("IT", "APJ6JRA9NG5V4", "it"), Region::Eu, "EUR", "it_IT"),
    at(("JP", "A1VC38T7YXB528", "co.jp"), Region::Fe, "JPY", "ja_JP"),
    at(("MX", "A1AM78C64UM0Y8", "com.mx"), Region::Na, "MXN", "es_MX"),
    at(("NL", "A1805IZSGTT6HS", "nl"), Region::Eu, "EUR", "nl_NL"),
    at(("PL", "A1C3SOZRARQ6R3", "pl"), Region::Eu, "PLN", "pl_PL"),
    at(("SA", "A17E79C6D8DWNP", "sa"), Region::Eu, "SAR", "ar_AE"),
    at(("SE", "A2NODRKZP88ZB9", "se"), Region::Eu, "SEK", "sv_SE"),
    at(("SG", "A19VAU5U5O7RUS", "sg"), Region::Fe, "SGD", "en_SG"),
    at(("TR", "A33AVAJ2PDY3EV", "com.tr"), Region::Eu, "TRY", "tr_TR"),
    at(("US", "ATVPDKIKX0DER", "com"), Region::Na, "USD", "en_US"),
    at(("ZA", "AE08WJ6YKNBMC", "co.za"), Region::Eu, "ZAR", "en_ZA"),
];

/// The marketplace of a country.
pub(super) fn of_country(country: &str) -> Option<&'static Marketplace> {
    MARKETPLACES.iter().find(|one| one.country == country)
}

/// The region of a Seller Central or Vendor Central, by its host; `None`: it is none.
pub(super) fn region_of_central(host: &str) -> Option<Region> {
    if host == "sellercentral-europe.amazon.com" {
        return Some(Region::Eu);
    }
    let rest = host.strip_prefix("sellercentral.").or_else(|| host.strip_prefix("vendorcentral."))?;
    let ending = rest.strip_prefix("amazon.")?;
    MARKETPLACES.iter().find(|one| one.ending == ending).map(|one| one.region)
}

/// Whether a host is a marketplace's own: the vendor's example of a flow that it begins has such a one.
pub(super) fn is_marketplace(host: &str) -> bool {
    let Some(ending) = host.strip_prefix("www.").unwrap_or(host).strip_prefix("amazon.") else { return false };
    MARKETPLACES.iter().any(|one| one.ending == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_ids_and_endings_are_each_there_once() {
        for pick in [|one: &Marketplace| one.country, |one: &Marketplace| one.id, |one: &Marketplace| one.ending] {
            let mut all: Vec<_> = MARKETPLACES.iter().map(pick).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), MARKETPLACES.len());
        }
        assert!(MARKETPLACES.is_sorted_by_key(|one| one.country));
    }

    #[test]
    fn only_the_vendors_own_hosts_are_known() {
        let table = [
            ("sellercentral.amazon.de", Some(Region::Eu)),
            ("sellercentral-europe.amazon.com", Some(Region::Eu)),
            ("sellercentral.amazon.com", Some(Region::Na)),
            ("vendorcentral.amazon.co.jp", Some(Region::Fe)),
            ("sellercentral.amazon.example", None),
            ("sellercentral.amazon.de.evil.example", None),
            ("evil.sellercentral.amazon.de", None),
            ("sellercentral.amazon.de.", None),
            ("sellercentral.amazonxde", None),
            ("amazon.com", None),
        ];
        for (host, region) in table {
            assert_eq!(region_of_central(host), region, "{host}");
        }
        for (host, known) in
            [("amazon.com", true), ("www.amazon.co.uk", true), ("amazon.evil", false), ("xamazon.com", false)]
        {
            assert_eq!(is_marketplace(host), known, "{host}");
        }
    }
}
