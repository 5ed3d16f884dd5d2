// SPDX-License-Identifier: MIT
/*
 * Whole objects, decoded. The digests are of the Pixel Data that DCMTK's dcmdjpeg, dcmdjpls or dcmdrle and GDCM's gdcmconv make of the same
 * file, where they agree with each other (conversions from YCbCr: DCMTK; J2K: GDCM); equal digests in different codecs are no accident. liver…: of the uncompressed originals.
 */
#include "pixel/pixel.h"

#include "base/file.h"
#include "dicom/part10.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *file, *photometric, *sha256;
} decoded[] = {
    {"cornerstone3d/CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm", "MONOCHROME2",
     "e2518e89dba0787d12bae3a479476db8ed13035ddc8f7a086f342bd9b64dc79b"},
    {"dcmjs/examples/data/IM-0001-0001.dcm", "MONOCHROME2",
     "eec47a70af6d0c259cb7c7b79dcc204a61f5217efe5c9178ae86af104f366281"},
    {"dicompixelanon/sample_dicom/XA_GE_JPEG_02_with_Overlays.dcm", "MONOCHROME2",
     "b3a1bd575e64b541f24faa67a394f305d4487b188bda1b1f40f07511c5a079fe"},
    {"healthcare-dicom-dicomweb-adapter/dicom_util/src/test/resources/img_1.0.0.0.dcm", "RGB",
     "ee7d176ae6d198e195c11056bf92c4dd2bcbd972a3d9e66bb0c613d15286f4e4"},
    {"highdicom/sm_image_jpegls.dcm", "RGB",
     "74ccba22c47c9a34220e1090427a8a6635ead4be9d7166d4685be5cd686dcac0"},
    {"highdicom/sm_image_jpegls_nobot.dcm", "RGB",
     "74ccba22c47c9a34220e1090427a8a6635ead4be9d7166d4685be5cd686dcac0"},
    {"pydicom-data/JLSL_16_15_1_1F.dcm", "MONOCHROME2",
     "4727d64f164a4a8d0436f6096929583291cd0ae3d8f7efc8ea96d6d51f4d41e8"},
    {"pydicom-data/JLSL_RGB_ILV0.dcm", "RGB",
     "ed1fce22a62e4194dd75dd98e7c04aa6978a2858108714876a615c5d5d3c7dff"},
    {"pydicom-data/JLSL_RGB_ILV1.dcm", "RGB",
     "ed1fce22a62e4194dd75dd98e7c04aa6978a2858108714876a615c5d5d3c7dff"},
    {"pydicom-data/JLSL_RGB_ILV2.dcm", "RGB",
     "ed1fce22a62e4194dd75dd98e7c04aa6978a2858108714876a615c5d5d3c7dff"},
    {"pydicom-data/JPEG-LL.dcm", "MONOCHROME2",
     "a6e9d32143339d3f5748b5520aa4e6c6ffb3550b6f71fdf17bdb2ebb44bc2611"},
    {"pydicom-data/JPGLosslessP14SV1_1s_1f_8b.dcm", "MONOCHROME2",
     "36e27e4f1e87a7d50407463323ddc3736736ecff35eb4e4a4c1b74646938835d"},
    {"pydicom-data/OBXXXX1A_rle_2frame.dcm", "PALETTE COLOR",
     "a4e8cb3611e675c71a3f478b3cc231e665aaa2f55530a2b89e9e60ff42bda625"},
    {"pydicom-data/RG3_J2KI.dcm", "MONOCHROME1",
     "25559cb05640e9e9860e91adf4d49dd3469694d0ff56bbf76c8853c3e05f4cc5"},
    {"pydicom-data/US1_J2KI.dcm", "RGB", "2138e755d364de8970f327301a0079f199e3cbbc0d4a61991a193819d4e19e80"},
    {"pydicom-data/emri_small_RLE.dcm", "MONOCHROME2",
     "9719c5d0f62ce971a1039c9cd73a6785427f4f80a1d3b6969cb9ffc425fba054"},
    {"pydicom-data/emri_small_jpeg_2k_lossless.dcm", "MONOCHROME2",
     "9719c5d0f62ce971a1039c9cd73a6785427f4f80a1d3b6969cb9ffc425fba054"},
    {"pydicom/test_files/JPEGLSNearLossless_16.dcm", "MONOCHROME2",
     "f929318278115ce952d85c011f752634e266720680e807bd03bf97ded3f0d3e4"},
    {"pydicom/test_files/MR_small_RLE.dcm", "MONOCHROME2",
     "88617aaa46138fb1b6e2a951e762d962382354d69f47f8c04d4abff2f6a6a63e"},
    {"pydicom/test_files/SC_rgb_dcmtk_+eb+cr.dcm", "RGB",
     "e414aaca686695163b4fcca90cc4b0bf6aff59d70c036a39a446ebcbb53e3360"},
    {"pydicom/test_files/SC_rgb_dcmtk_+eb+cy+s2.dcm", "RGB",
     "ddb100d8f45a7fbf420e8ce5d1b376a5479f068c5109daac31eb982f662d228f"},
    {"pydicom/test_files/SC_rgb_jpeg_app14_dcmd.dcm", "RGB",
     "334275c10bc60e8050888482dd5bdd6f094bb11c37d8d88a8fd4d62ed0b39c8d"},
    {"pydicom/test_files/SC_rgb_jpeg_gdcm.dcm", "RGB",
     "169e619557b12114a7f0be8602026e9abb3d5045804311736ec14cecb026aca9"},
    {"pydicom/test_files/SC_rgb_rle_16bit_2frame.dcm", "RGB",
     "d7e2338dd240b58cd8ca13452ab8f21fa3e0779575eda0677568b5ce88247271"},
    {"pydicom/test_files/SC_rgb_rle_32bit.dcm", "RGB",
     "1a243c9351e3a9aeadbe667627e8bae4d38950bf570c2fadab4fef93f766aafa"},
    {"pydicom/test_files/SC_rgb_small_odd_jpeg.dcm", "RGB",
     "6d7038d16794f1b0da856f697dc88d047837233ce8ee18e7fe104954d56336fd"},
    {"pydicom/test_files/rtdose_rle.dcm", "MONOCHROME2",
     "e30a4288ac22902293b3b0144d9cd7866d43a96e2e5cf3ec59c6f78595c3a125"},
    {"pylibjpeg-data/JPEGLossless/JPEGLossless_1s_1f_i_16_16_bad.dcm", "MONOCHROME2",
     "c45111778adeb670060f83629a7dd581d03c3d020965cc8ab40514e8d672a143"},
    {"pydicom-data/liver_rle.dcm", "MONOCHROME2",
     "b022303f9581eb6f89ddc394beda0a08adaaa2eeb2fa89d021241ce104b9d9fa"},
    {"pydicom-data/liver_j2k.dcm", "MONOCHROME2",
     "b022303f9581eb6f89ddc394beda0a08adaaa2eeb2fa89d021241ce104b9d9fa"},
    {"pydicom-data/liver_deflate.dcm", "MONOCHROME2",
     "b022303f9581eb6f89ddc394beda0a08adaaa2eeb2fa89d021241ce104b9d9fa"},
    {"pydicom-data/liver_nonbyte_aligned_rle.dcm", "MONOCHROME2",
     "63adc0fcf10447f89ab4d8ef1ea116c6700efaf1b5626d3a15f59e7b28b40c18"},
    {"pydicom-data/liver_nonbyte_aligned_j2k.dcm", "MONOCHROME2",
     "63adc0fcf10447f89ab4d8ef1ea116c6700efaf1b5626d3a15f59e7b28b40c18"},
    {"pydicom-data/liver_nonbyte_aligned_deflate.dcm", "MONOCHROME2",
     "63adc0fcf10447f89ab4d8ef1ea116c6700efaf1b5626d3a15f59e7b28b40c18"},
    {"static-dicomweb/packages/static-wado-creator/dicom/jpeg8bit.dcm", "MONOCHROME2",
     "978fa8e8151d39e6ea48a0e42b766d0cfd8456fcc33426985c7accd5f54d9ca4"},
    {"wsi-to-dicom-converter/jpeg.dicom", "RGB",
     "7a9b73aa23c48bf2336f2caa1c10dc1b972ee8d92c19ce3d715ba079bb0f40c5"},
};

typedef struct Memory {
    Buf file;
    Span object;
    const DcmTransferSyntax *syntax;
} Memory;

static ssize_t read_memory(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    (void)err;
    Span piece = span_sub(((Memory *)ctx)->object, offset, n);
    if (piece.n)
        memcpy(p, piece.p, piece.n);
    return (ssize_t)piece.n;
}

static Memory load(const char *name)
{
    Memory m;
    Err err = {0};
    char *path = file_join(getenv("GANTRY_TEST_DATA"), name);
    DcmFileMeta meta;
    bool more;
    buf_init(&m.file, 0);
    if (!file_read_all(path, 64u << 20, &m.file, &err))
        fail_msg("%s", err.text);
    assert_true(dcm_file_meta_parse(buf_span(&m.file), false, &meta, &more, &err));
    m.object = span_sub(buf_span(&m.file), meta.data_offset, SIZE_MAX);
    m.syntax = dcm_transfer_syntax(span_cstr(meta.transfer_syntax));
    free(path);
    return m;
}

/* Reads all of it in pieces of `step`; false and err as the decoder says. */
static bool decode(Memory *m, size_t step, Buf *out, Err *err)
{
    PixDecoder *d = pix_decoder_new(m->syntax, read_memory, m, m->object.n, err);
    ssize_t got = d ? 1 : -1;
    while (got > 0) {
        uint8_t *room = buf_reserve(out, step);
        got = pix_decoder_read(d, room, step, err);
        out->n += got > 0 ? (size_t)got : 0;
    }
    pix_decoder_free(d);
    return got == 0;
}

static DcmDataset *parse(Arena *arena, const Buf *out)
{
    Err err = {0};
    DcmDataset *ds = dcm_dataset_parse(arena, buf_span(out),
                                       dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian)), NULL, &err);
    if (!ds)
        fail_msg("%s", err.text);
    return ds;
}

static void hex_digest(Span s, char out[65])
{
    uint8_t digest[32];
    EVP_Digest(s.p, s.n, digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void real_objects_decode_to_the_pixels_other_decoders_see(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decoded / sizeof *decoded; i++) {
        Memory m = load(decoded[i].file);
        Arena *arena = arena_new(0);
        Buf out;
        Err err = {0};
        buf_init(&out, 0);
        if (!decode(&m, i % 2 ? 1 << 16 : 777, &out, &err))
            fail_msg("%s: %s", decoded[i].file, err.text);
        DcmDataset *ds = parse(arena, &out);
        char digest[65];
        hex_digest(dcm_find(ds, DCM_PixelData)->value, digest);
        if (strcmp(digest, decoded[i].sha256) != 0)
            fail_msg("%s: other pixels, %s", decoded[i].file, digest);
        assert_string_equal(dcm_text(arena, ds, DCM_PhotometricInterpretation, 0), decoded[i].photometric);
        int64_t planar;
        if (dcm_int(ds, DCM_PlanarConfiguration, 0, &planar))
            assert_int_equal(planar, 0);
        buf_free(&out);
        buf_free(&m.file);
        arena_free(arena);
    }
}

/* 12 bits: DCMTK's inverse DCT rounds otherwise, by one at most. */
static void extended_jpeg_agrees_within_one(void **state)
{
    (void)state;
    static const struct {
        uint16_t y, x, value;
    } points[] = {{94, 138, 41},  {158, 121, 72}, {205, 209, 62}, {225, 60, 66},
                  {249, 92, 56},  {274, 157, 56}, {309, 147, 58}, {413, 182, 48},
                  {439, 178, 57}, {477, 189, 47}, {624, 177, 47}, {828, 86, 41}};
    Memory m = load("pydicom/test_files/JPGExtended.dcm");
    Arena *arena = arena_new(0);
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    assert_true(decode(&m, 65536, &out, &err));
    const DcmElement *e = dcm_find(parse(arena, &out), DCM_PixelData);
    assert_int_equal(e->vr, DCM_VR_OW);
    assert_int_equal(e->value.n, 1024 * 256 * 2);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        const uint8_t *p = e->value.p + 2 * (points[i].y * 256u + points[i].x);
        assert_in_range(p[0] | p[1] << 8, points[i].value - 1, points[i].value + 1);
    }
    buf_free(&out);
    buf_free(&m.file);
    arena_free(arena);
}

static void elements_around_the_pixels_are_kept(void **state)
{
    (void)state;
    Memory m = load("pydicom/test_files/MR_small_RLE.dcm"); /* has trailing padding */
    Arena *arena = arena_new(0);
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    assert_true(decode(&m, 4096, &out, &err));
    DcmDataset *after = parse(arena, &out);
    DcmDataset *before = dcm_dataset_parse(arena, m.object, m.syntax, NULL, &err);
    for (size_t i = 0; i < before->count; i++) {
        const DcmElement *e = &before->elements[i], *now = dcm_find(after, e->tag);
        if (e->tag == DCM_DataSetTrailingPadding || DCM_TAG_ELEMENT(e->tag) == 0) {
            assert_null(now);
            continue;
        }
        assert_non_null(now);
        if (e->tag != DCM_PixelData && e->vr != DCM_VR_SQ)
            assert_true(span_eq(e->value, now->value));
    }
    buf_free(&out);
    buf_free(&m.file);
    arena_free(arena);
}

static void damaged_objects_fail_with_words(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *says;
    } damaged[] = {
        {"pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm", "early"},
        {"pydicom/test_files/UN_sequence.dcm", "no pixel data"},
        {"pydicom/test_files/JPEG2000-embedded-sequence-delimiter.dcm", "JPEG 2000"},
        {"cornerstone3d/CTImage.dcm_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm",
         "cannot be decoded"},
        {"derived/video_hevc_mp51.dcm", "cannot be decoded"},
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        Memory m = load(damaged[i].file);
        Buf out;
        Err err = {0};
        buf_init(&out, 0);
        assert_false(decode(&m, 65536, &out, &err));
        if (!strstr(err.text, damaged[i].says))
            fail_msg("%s: %s", damaged[i].file, err.text);
        buf_free(&out);
        buf_free(&m.file);
    }
}

/* Every cut and many flipped bytes: an error or other pixels, never a crash (the sanitizers watch). */
static void cut_and_flipped_objects_do_no_harm(void **state)
{
    (void)state;
    static const char *const files[] = {"pydicom/test_files/SC_rgb_rle.dcm",
                                        "pydicom/test_files/SC_rgb_jpeg_gdcm.dcm",
                                        "pydicom/test_files/JPEGLSNearLossless_08.dcm",
                                        "pydicom/test_files/SC_rgb_gdcm_KY.dcm",
                                        "pydicom/test_files/SC_rgb_small_odd_jpeg.dcm",
                                        "pydicom/test_files/JPGExtended.dcm"};
    uint32_t seed = 1;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        Memory m = load(files[f]);
        Span whole = m.object;
        for (size_t round = 0; round < 60; round++) {
            Buf out;
            Err err = {0};
            buf_init(&out, 64u << 20);
            seed = seed * 1664525 + 1013904223;
            size_t at = whole.n / 2 + seed % (whole.n / 2);
            uint8_t *byte = m.file.p + (whole.p - m.file.p) + at, kept = *byte;
            if (round % 2)
                m.object.n = at;
            else
                *byte ^= (uint8_t)(1u << (round % 8));
            if (!decode(&m, 65536, &out, &err))
                assert_true(err.text[0] != 0);
            *byte = kept;
            m.object = whole;
            buf_free(&out);
        }
        buf_free(&m.file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_objects_decode_to_the_pixels_other_decoders_see),
        cmocka_unit_test(extended_jpeg_agrees_within_one),
        cmocka_unit_test(elements_around_the_pixels_are_kept),
        cmocka_unit_test(damaged_objects_fail_with_words),
        cmocka_unit_test(cut_and_flipped_objects_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
