use crate::cf::constants;

constants! {
    kCMSampleAttachmentKey_NotSync = "NotSync";
}
