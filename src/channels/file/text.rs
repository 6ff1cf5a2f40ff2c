//! The bytes of a file as UTF-8, from any place on, a piece at a time.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use encoding_rs::{Decoder, DecoderResult, ISO_8859_15, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How much is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The `encoding` of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum EncodingSetting {
    /// UTF-8, or what the byte order mark says.
    #[default]
    Auto,
    Utf8,
    Utf16,
    Windows1252,
    Iso8859_15,
}

/// How a file's text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Windows1252,
    Iso8859_15,
}

impl Encoding {
    /// The encoding of a file that begins with these bytes, and the length of its byte order mark.
    fn of(setting: EncodingSetting, start: &[u8]) -> (Self, u64) {
        match (setting, start) {
            (EncodingSetting::Windows1252, _) => (Self::Windows1252, 0),
            (EncodingSetting::Iso8859_15, _) => (Self::Iso8859_15, 0),
            (EncodingSetting::Auto | EncodingSetting::Utf8, [0xEF, 0xBB, 0xBF, ..]) => (Self::Utf8, 3),
            (EncodingSetting::Auto | EncodingSetting::Utf16, [0xFF, 0xFE, ..]) => (Self::Utf16Le, 2),
            (EncodingSetting::Auto | EncodingSetting::Utf16, [0xFE, 0xFF, ..]) => (Self::Utf16Be, 2),
            (EncodingSetting::Utf16, _) => (Self::Utf16Le, 0),
            (EncodingSetting::Auto | EncodingSetting::Utf8, _) => (Self::Utf8, 0),
        }
    }

    fn decoder(self) -> Option<Decoder> {
        match self {
            Self::Utf8 => None,
            Self::Utf16Le => Some(UTF_16LE.new_decoder_without_bom_handling()),
            Self::Utf16Be => Some(UTF_16BE.new_decoder_without_bom_handling()),
            Self::Windows1252 => Some(WINDOWS_1252.new_decoder_without_bom_handling()),
            Self::Iso8859_15 => Some(ISO_8859_15.new_decoder_without_bom_handling()),
        }
    }

    /// The text in this encoding; `None` when a letter does not exist in it.
    pub(super) fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Utf16Le => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Self::Utf16Be => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Self::Windows1252 => encode_with(WINDOWS_1252, text),
            Self::Iso8859_15 => encode_with(ISO_8859_15, text),
        }
    }
}

fn encode_with(encoding: &'static encoding_rs::Encoding, text: &str) -> Option<Vec<u8>> {
    let (bytes, _, unmappable) = encoding.encode(text);
    (!unmappable).then(|| bytes.into_owned())
}

/// A file's text. Offsets count bytes of UTF-8 after the byte order mark, whatever the file's own encoding is.
pub(super) struct Text {
    file: Option<File>,
    encoding: Encoding,
    mark_bytes: u64,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
    /// What follows the piece is not in the encoding.
    broken: bool,
}

impl Text {
    /// The text of an open file from its beginning.
    pub(super) fn of(mut file: File, setting: EncodingSetting) -> io::Result<Self> {
        let mut start = [0; 3];
        let mut length = 0;
        while length < start.len() {
            match file.read(&mut start[length..])? {
                0 => break,
                more => length += more,
            }
        }
        let (encoding, mark_bytes) = Encoding::of(setting, &start[..length]);
        let mut text = Self {
            file: Some(file),
            encoding,
            mark_bytes,
            decoder: None,
            raw: Vec::new(),
            piece: Vec::new(),
            at: 0,
            ended: false,
            broken: false,
        };
        text.seek(0)?;
        Ok(text)
    }

    /// A text in memory.
    pub(super) fn in_memory(text: &str) -> Self {
        Self {
            file: None,
            encoding: Encoding::Utf8,
            mark_bytes: 0,
            decoder: None,
            raw: Vec::new(),
            piece: text.as_bytes().to_vec(),
            at: 0,
            ended: true,
            broken: false,
        }
    }

    /// The file's encoding and the length of its byte order mark.
    pub(super) fn encoding(&self) -> (Encoding, u64) {
        (self.encoding, self.mark_bytes)
    }

    /// Goes on at an offset. Where the file is not UTF-8, everything before it is decoded again.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.decoder = self.encoding.decoder();
        self.piece.clear();
        self.at = 0;
        self.ended = false;
        self.broken = false;
        if self.decoder.is_none() {
            file.seek(SeekFrom::Start(self.mark_bytes + offset))?;
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.mark_bytes))?;
        let mut left = offset;
        while left > 0 {
            let step = self.fill()?.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if step == 0 {
                break;
            }
            self.consume(step);
            left -= step as u64;
        }
        Ok(())
    }

    /// What can be had next; empty at the end. A text that is not in its encoding is an error of kind `InvalidData`.
    pub(super) fn fill(&mut self) -> io::Result<&[u8]> {
        while self.at == self.piece.len() && !self.ended {
            self.read_piece()?;
        }
        if self.broken && self.at == self.piece.len() {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        Ok(&self.piece[self.at..])
    }

    /// Marks bytes of the last `fill` as used.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.piece.len());
    }

    fn read_piece(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            self.ended = true;
            return Ok(());
        };
        self.at = 0;
        let Some(decoder) = &mut self.decoder else {
            self.piece.resize(PIECE_BYTES, 0);
            let length = file.read(&mut self.piece)?;
            self.piece.truncate(length);
            self.ended = length == 0;
            return Ok(());
        };
        self.raw.resize(PIECE_BYTES, 0);
        let length = file.read(&mut self.raw)?;
        self.ended = length == 0;
        let room = decoder.max_utf8_buffer_length_without_replacement(length).unwrap_or(4 * PIECE_BYTES);
        self.piece.resize(room, 0);
        let (result, _, written) =
            decoder.decode_to_utf8_without_replacement(&self.raw[..length], &mut self.piece, self.ended);
        self.piece.truncate(written);
        // What could be read before the fault is handed out first, so that the fault is found on its own line.
        self.broken = result != DecoderResult::InputEmpty;
        self.ended |= self.broken;
        Ok(())
    }
}
