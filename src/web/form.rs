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

impl Fields {
    /// Reads a form; what is none, or too long, is refused.
    #[expect(clippy::result_large_err, reason = "the refusal is the answer, made once")]
    pub(super) fn read(people: &People, form: Result<RawForm, RawFormRejection>) -> Result<Self, Response> {
        match form {
            Ok(RawForm(body)) => Ok(Self(form_urlencoded::parse(&body).into_owned().collect())),
            Err(rejection) => Err(refused(people, rejection.status(), "It is not a form of this page, or too long.")),
        }
    }

    /// A field, which must be there once: of two, nobody knows which is meant.
    #[expect(clippy::result_large_err, reason = "the refusal is the answer, made once")]
    pub(super) fn take(&mut self, people: &People, name: &str) -> Result<String, Response> {
        let mut values = self.0.iter_mut().filter(|(known, _)| known == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(std::mem::take(value)),
            _ => Err(refused(people, StatusCode::BAD_REQUEST, &format!("It must have the field `{name}`, once."))),
        }
    }
}

fn refused(people: &People, status: StatusCode, why: &str) -> Response {
    let paragraphs = vec![why.into(), "Nothing was done. Open the page anew and press the button there.".into()];
    people.page("This cannot be read", Tone::Bad, paragraphs).answer(status)
}
