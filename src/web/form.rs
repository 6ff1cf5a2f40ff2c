//! What a person sent with a form.

use axum::{
    extract::{RawForm, rejection::RawFormRejection},
    http::StatusCode,
    response::Response,
};
use url::form_urlencoded;

use super::{People, page::Tone};

/// The fields of a form.
pub(super) struct Fields(Vec<(String, String)>);

/// Why a form cannot be read.
pub(super) struct BadForm {
    status: StatusCode,
    why: String,
}

impl Fields {
    /// Reads a form; what is none, or too long, is refused.
    pub(super) fn read(form: Result<RawForm, RawFormRejection>) -> Result<Self, BadForm> {
        match form {
            Ok(RawForm(body)) => Ok(Self(form_urlencoded::parse(&body).into_owned().collect())),
            Err(rejection) => {
                Err(BadForm { status: rejection.status(), why: "It is not a form of this page, or too long.".into() })
            }
        }
    }

    /// A field, which must be there once: of two, nobody knows which is meant.
    pub(super) fn take(&mut self, name: &str) -> Result<String, BadForm> {
        let mut values = self.0.iter_mut().filter(|(known, _)| known == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(std::mem::take(value)),
            _ => {
                Err(BadForm { status: StatusCode::BAD_REQUEST, why: format!("It must have the field `{name}`, once.") })
            }
        }
    }
}

impl BadForm {
    /// The refusal as a page.
    pub(super) fn answer(self, people: &People) -> Response {
        let paragraphs =
            vec![self.why.into(), "Nothing was done. Open the page anew and press the button there.".into()];
        people.page("This cannot be read", Tone::Bad, paragraphs).answer(self.status)
    }
}
