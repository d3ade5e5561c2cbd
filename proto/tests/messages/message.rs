//! Messages as owned values, so that tests can make them up and compare them with what was read.

use vtremote_proto::*;

pub(crate) type Records = Vec<(u32, Vec<u8>)>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Hello([String; 4]),
    HelloAck {
        status: u8,
        name: String,
        version: String,
        capabilities: Vec<String>,
        max: u16,
        active: u16,
    },
    Configure {
        size: (u32, u32),
        pix_fmt: u8,
        time_base: Rational,
        frame_rate: Rational,
        options: Vec<(String, String)>,
        extradata: Vec<u8>,
    },
    ConfigureAck {
        status: u8,
        extradata: Vec<u8>,
        pix_fmt: u8,
        warnings: Vec<String>,
    },
    /// The head, then stride, height and data of each plane.
    Frame(FrameHead, Vec<(u32, u32, Vec<u8>)>, Records),
    Packet(PacketHead, Vec<u8>, Records),
    FrameBegin {
        head: FrameHead,
        codec: u8,
        ids: (u32, u32),
        slices: u16,
        tables: Vec<u8>,
        geometry: Option<Geometry>,
        side_data: Records,
    },
    Slice(SliceHead, Vec<u8>),
    Flush,
    Done,
    Ping,
    Pong,
    PacketAck,
    Ack(Ack),
    Error(u32, String),
    Notice(String),
    Pace(Pace),
}

fn borrowed(records: &Records) -> Vec<(u32, &[u8])> {
    records.iter().map(|(kind, data)| (*kind, &data[..])).collect()
}

fn owned(side_data: SideData<'_>) -> Records {
    side_data.map(|(kind, data)| (kind, data.to_vec())).collect()
}

impl Message {
    /// The message on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out).expect("a message within the limits");
        out
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Hello([token, codec, client_name, client_build]) => {
                Hello { token, codec, client_name, client_build }.encode(out)?;
            }
            Self::HelloAck { status, name, version, capabilities, max, active } => HelloAck {
                status: HelloStatus::from_wire(*status),
                server_name: name,
                server_version: version,
                capabilities: capabilities.iter().map(String::as_str).collect(),
                max_sessions: *max,
                active_sessions: *active,
            }
            .encode(out)?,
            Self::Configure { size, pix_fmt, time_base, frame_rate, options, extradata } => {
                Configure {
                    width: size.0,
                    height: size.1,
                    pix_fmt: *pix_fmt,
                    time_base: *time_base,
                    frame_rate: *frame_rate,
                    options: options.iter().map(|(key, value)| (&key[..], &value[..])).collect(),
                    extradata,
                }
                .encode(out)?
            }
            Self::ConfigureAck { status, extradata, pix_fmt, warnings } => ConfigureAck {
                status: *status,
                extradata,
                pix_fmt: *pix_fmt,
                warnings: warnings.iter().map(String::as_str).collect(),
            }
            .encode(out)?,
            Self::Frame(head, planes, side_data) => {
                let sizes: Vec<_> =
                    planes.iter().map(|plane| (plane.0, plane.1, plane.2.len() as u32)).collect();
                let parts = frame_message(head, &sizes, &borrowed(side_data))?;
                for (head, plane) in parts.heads.iter().zip(planes) {
                    out.extend_from_slice(head);
                    out.extend_from_slice(&plane.2);
                }
                out.extend_from_slice(&parts.tail);
            }
            Self::Packet(head, data, side_data) => {
                let (before, after) = packet_message(head, &borrowed(side_data))?;
                out.extend([&before[..], data, &after].concat());
            }
            Self::FrameBegin { head, codec, ids, slices, tables, geometry, side_data } => {
                FrameBegin {
                    head: *head,
                    codec: *codec,
                    frame_id: ids.0,
                    reference_id: ids.1,
                    slices: *slices,
                    tables,
                    geometry: *geometry,
                    side_data: SideData::new(&borrowed(side_data), &mut Vec::new())?,
                }
                .encode(out)?
            }
            Self::Slice(head, data) => {
                out.extend_from_slice(&slice_message(head)?);
                out.extend_from_slice(data);
            }
            Self::Flush => Flush.encode(out),
            Self::Done => Done.encode(out),
            Self::Ping => Ping.encode(out),
            Self::Pong => Pong(&[]).encode(out),
            Self::PacketAck => PacketAck.encode(out),
            Self::Ack(ack) => ack.encode(out),
            Self::Pace(pace) => pace.encode(out),
            Self::Notice(text) => Notice { text: text.into() }.encode(out),
            Self::Error(code, text) => ErrorMessage::new(*code, text).encode(out),
        }
        Ok(())
    }
}

/// Puts the items of one connection together to messages; panics where their order makes no sense.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) messages: Vec<Message>,
    open: Option<Message>,
}

impl Gathered {
    /// Reads all of `input`, giving the pieces' lengths by turns; they are at least 1.
    pub(crate) fn read(
        incoming: &mut Incoming,
        input: &[u8],
        pieces: &[usize],
    ) -> Result<Self, ReadError> {
        let mut gathered = Self::default();
        let mut rest = input;
        for &len in pieces.iter().cycle() {
            let (piece, later) = rest.split_at(len.min(rest.len()));
            gathered.piece(incoming, piece)?;
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        Ok(gathered)
    }

    /// Reads one piece to its end.
    pub(crate) fn piece(
        &mut self,
        incoming: &mut Incoming,
        mut piece: &[u8],
    ) -> Result<(), ReadError> {
        loop {
            let (taken, item) = incoming.read(piece)?;
            piece = &piece[taken..];
            match item {
                Some(item) => self.item(item),
                None => break,
            }
        }
        assert!(piece.is_empty(), "no item, but {} bytes were left", piece.len());
        Ok(())
    }

    pub(crate) fn item(&mut self, item: Item<'_>) {
        let done = match item {
            Item::Frame(head) => return self.begin(Message::Frame(head, Vec::new(), Vec::new())),
            Item::Packet(head) => return self.begin(Message::Packet(head, Vec::new(), Vec::new())),
            Item::Slice(head) => return self.begin(Message::Slice(head, Vec::new())),
            Item::Plane(head) => match &mut self.open {
                Some(Message::Frame(_, planes, _)) => {
                    assert_eq!(usize::from(head.index), planes.len());
                    return planes.push((head.stride, head.height, Vec::new()));
                }
                other => panic!("a plane in {other:?}"),
            },
            Item::Body(piece) => {
                assert!(!piece.is_empty(), "an empty piece");
                match &mut self.open {
                    Some(Message::Frame(_, planes, _)) => {
                        return planes.last_mut().expect("a plane").2.extend_from_slice(piece);
                    }
                    Some(Message::Packet(_, data, _) | Message::Slice(_, data)) => {
                        return data.extend_from_slice(piece);
                    }
                    other => panic!("data in {other:?}"),
                }
            }
            Item::FrameEnd(records) => match self.open.take() {
                Some(Message::Frame(head, planes, _)) => {
                    assert_eq!(planes.len(), head.planes.into());
                    Message::Frame(head, planes, owned(records))
                }
                other => panic!("the end of a frame in {other:?}"),
            },
            Item::PacketEnd(records) => match self.open.take() {
                Some(Message::Packet(head, data, _)) => {
                    assert_eq!(data.len(), head.len as usize);
                    Message::Packet(head, data, owned(records))
                }
                other => panic!("the end of a packet in {other:?}"),
            },
            Item::SliceEnd => match self.open.take() {
                Some(Message::Slice(head, data)) => {
                    assert_eq!(data.len(), head.len as usize);
                    Message::Slice(head, data)
                }
                other => panic!("the end of a slice in {other:?}"),
            },
            whole => {
                assert_eq!(self.open, None, "{whole:?} inside of another message");
                match whole_message(whole) {
                    Some(message) => message,
                    None => return,
                }
            }
        };
        self.messages.push(done);
    }

    fn begin(&mut self, message: Message) {
        assert_eq!(self.open.replace(message), None, "a message inside of another");
    }
}

/// The message that this item is; none for one that is not known.
fn whole_message(item: Item<'_>) -> Option<Message> {
    Some(match item {
        Item::Hello(hello) => Message::Hello(
            [hello.token, hello.codec, hello.client_name, hello.client_build].map(str::to_owned),
        ),
        Item::HelloAck(ack) => Message::HelloAck {
            status: ack.status.to_wire(),
            name: ack.server_name.to_owned(),
            version: ack.server_version.to_owned(),
            capabilities: ack.capabilities.into_iter().map(str::to_owned).collect(),
            max: ack.max_sessions,
            active: ack.active_sessions,
        },
        Item::Configure(configure) => Message::Configure {
            size: (configure.width, configure.height),
            pix_fmt: configure.pix_fmt,
            time_base: configure.time_base,
            frame_rate: configure.frame_rate,
            options: configure
                .options
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            extradata: configure.extradata.to_vec(),
        },
        Item::ConfigureAck(ack) => Message::ConfigureAck {
            status: ack.status,
            extradata: ack.extradata.to_vec(),
            pix_fmt: ack.pix_fmt,
            warnings: ack.warnings.into_iter().map(str::to_owned).collect(),
        },
        Item::FrameBegin(begin) => Message::FrameBegin {
            head: begin.head,
            codec: begin.codec,
            ids: (begin.frame_id, begin.reference_id),
            slices: begin.slices,
            tables: begin.tables.to_vec(),
            geometry: begin.geometry,
            side_data: owned(begin.side_data),
        },
        Item::Flush => Message::Flush,
        Item::Done => Message::Done,
        Item::Ping(_) => Message::Ping,
        Item::Pong => Message::Pong,
        Item::PacketAck => Message::PacketAck,
        Item::Ack(ack) => Message::Ack(ack),
        Item::Pace(pace) => Message::Pace(pace),
        Item::Notice(notice) => Message::Notice(notice.text.into_owned()),
        Item::Error(error) => Message::Error(error.code, error.message.into_owned()),
        Item::Unknown { .. } => return None,
        part => panic!("{part:?} is not a whole message"),
    })
}

/// The bytes that a text of hex digits stands for; anything else in it is for the reader.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    assert_eq!(digits.len() % 2, 0, "half a byte in {text}");
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// This payload with the header of its type before it.
pub(crate) fn with_header(message: MessageType, payload: &[u8]) -> Vec<u8> {
    [&message.header(payload.len() as u32), payload].concat()
}
