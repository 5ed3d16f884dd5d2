# SPDX-License-Identifier: MIT
"""Rendered images and thumbnails: DCMTK's dcm2pnm is the judge of the gray values and colours, with the same window."""
import concurrent.futures
import io
import shutil
import subprocess
import urllib.parse

import pydicom
import pytest
from make_dicom import make, make_image, uid
from PIL import Image, ImageChops, ImageStat
from part10 import EXPLICIT
from programs import ROOT, run
from pydicom.encaps import generate_pixel_data_frame
from pydicom.pixel_data_handlers.util import apply_color_lut
from web import Web

pytestmark = pytest.mark.filterwarnings("ignore")

# What DCMTK shows otherwise: the stream says YCbCr (JFIF), the attribute RGB, and DCMTK believes the attribute.
OTHERWISE = {"example.dcm", "example2.dcm", "example-mg.dcm"}
# Damaged; processes of JPEG that nobody decodes here; videos.
NOT_SHOWN = {"example3.dcm", "JPEG2000-embedded-sequence-delimiter.dcm", "CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm",
             "CTImage.dcm_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm", "video_h264_hp41.dcm", "video_hevc_mp51.dcm", "video_mpeg2_mpml.dcm"}
# What DCMTK does not take: 32 bits for a sample, segmented palettes. They have tests of their own.
NO_REFERENCE = {"SC_rgb_32bit.dcm", "SC_rgb_32bit_2frame.dcm", "SC_rgb_expb_32bit.dcm", "SC_rgb_expb_32bit_2frame.dcm", "gdcm-US-ALOKA-16.dcm"}
# Decoders of the lossy process of 12 bits round differently.
ROUNDED = {"1.2.840.10008.1.2.4.51": 4}


def image_of(answer, form="PNG"):
    assert answer.status == 200, answer.problem()
    assert answer.headers["Content-Type"] == f"image/{form.lower()}"
    image = Image.open(io.BytesIO(answer.body))
    assert image.format == form
    image.load()
    return image


def difference(a, b):
    """The largest difference between two images of one size, in levels."""
    extrema = ImageChops.difference(a, b).getextrema()
    return max(high for _, high in (extrema if isinstance(extrema[0], tuple) else [extrema]))


# -- against DCMTK --

def window_options(ds):
    """How dcm2pnm shows what we show: by the first window, the VOI LUT, or the range of the values. It does not look into functional groups itself."""
    if not ds.PhotometricInterpretation.startswith("MONO"):
        return []
    groups = [g for name in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence") for g in ds.get(name, [])[:1]]
    voi = next((g.FrameVOILUTSequence[0] for g in groups if "FrameVOILUTSequence" in g), None)
    if voi is not None and "WindowWidth" in voi:
        first = [x[0] if isinstance(x, pydicom.multival.MultiValue) else x for x in (voi.WindowCenter, voi.WindowWidth)]
        return ["+Ww", *map(str, first)]
    if ds.get("WindowWidth") not in (None, ""):
        return ["+Wi", "1"]
    return ["+Wl", "1"] if "VOILUTSequence" in ds else ["+Wm"]


def dcm2pnm(path, frame, options, folder):
    target = folder / f"{abs(hash((path, frame)))}.pnm"
    done = subprocess.run(["dcmj2pnm", "-q", "-O", "+F", str(frame), *options, path, target], capture_output=True, timeout=120, check=False)
    if done.returncode:
        return None
    image = Image.open(target)
    image.load()
    target.unlink()
    return image


def rendered_and_reference(web, one, folder):
    """Pairs of images, ours and DCMTK's: of the first and of the last frame."""
    with one.path.open("rb") as file:
        ds = pydicom.dcmread(file, stop_before_pixels=True, force=True)
    last = ds.get("NumberOfFrames") or 1
    last = int(last) if str(last).isdigit() else 1
    out = []
    for frame in sorted({1, last}):
        answer = web.get(f"{one.url}/frames/{frame}/rendered", Accept="image/png")
        if answer.status != 200:
            return ds, answer, out
        reference = dcm2pnm(one.path, frame, window_options(ds), folder)
        if reference is None:  # a codec that it has not: it gets the decoded object
            decoded = folder / f"{one.instance}.dcm"
            decoded.write_bytes(web.get(one.url, Accept=f"application/dicom; transfer-syntax={EXPLICIT}").body)
            reference = dcm2pnm(decoded, frame, window_options(ds), folder)
            decoded.unlink()
        out.append((image_of(answer), reference))
    return ds, answer, out


def test_every_image_is_shown_as_dcmtk_shows_it(data_web, tmp_path):
    compared, wrong, refused, scaled, without = 0, [], set(), set(), set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda one: (one, *rendered_and_reference(data_web, one, tmp_path)), data_web.objects)
        for one, ds, answer, pairs in results:
            name = one.path.name
            if answer.status != 200:
                assert answer.status == 406 or (answer.status == 404 and "no pixel data" in answer.problem()), (one, answer.body)
                refused |= {name} if answer.status == 406 else set()
            for ours, reference in pairs:
                if reference is None:
                    without.add(name)
                elif ours.size != reference.size:
                    scaled.add(ours.size)
                else:
                    compared += 1
                    levels = difference(ours.convert(reference.mode), reference)
                    if levels > ROUNDED.get(one.syntax, 2) and name not in OTHERWISE:
                        wrong.append((name, levels, one.syntax, ds.PhotometricInterpretation))
    assert not wrong
    assert refused == NOT_SHOWN and without == NO_REFERENCE
    assert scaled == {(240, 173), (256, 160), (16, 15)}  # pixels that are no squares
    assert compared > 240


@pytest.mark.parametrize("name", ["SC_rgb_32bit.dcm", "SC_rgb_expb_32bit.dcm"])
def test_colours_of_32_bits_are_those_of_8(name, data_web):
    ours, reference = (image_of(data_web.get(data_web.named(n).url + "/rendered", Accept="image/png")) for n in (name, "SC_rgb.dcm"))
    assert ours.size == reference.size and difference(ours, reference) <= 1


def test_a_segmented_palette(data_web):
    """DCMTK has none; pydicom has."""
    one = data_web.named("gdcm-US-ALOKA-16.dcm")
    ds = pydicom.dcmread(one.path)
    wide = apply_color_lut(ds.pixel_array, ds)
    reference = Image.frombytes("RGB", (ds.Columns, ds.Rows), (wide // 257).astype("uint8").tobytes())
    assert difference(image_of(data_web.get(one.url + "/rendered", Accept="image/png")), reference) <= 1


@pytest.mark.parametrize("name", ["CT_small.dcm", "SC_rgb_small_odd.dcm"])
def test_every_predictor_of_lossless_jpeg(name, stopped_archive, tmp_path):
    """T.81 H.1.2.1 has seven; DCMTK writes each. What is shown is what is shown of the object as it was."""
    source, images = next(ROOT.glob(f"tests/data/**/{name}")), tmp_path / "images"
    images.mkdir()
    shutil.copy(source, images / "0.dcm")
    for predictor in range(1, 8):
        run("dcmcjpeg", "+el", "+sv", predictor, "+ua", source, images / f"{predictor}.dcm")
    web = Web(stopped_archive)
    stopped_archive.manage("data", "index", "-d", images)
    stopped_archive.start()
    shown = []
    for path in sorted(images.iterdir()):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        url = f"/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
        shown.append(image_of(web.get(url + "/rendered", Accept="image/png")))
        if shown[1:]:
            assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.57"
            assert difference(shown[-1], shown[0]) == 0, path.name
    assert len(shown) == 8


@pytest.mark.parametrize("window, options", [
    ("40,400,linear", ["+Ww", "40", "400"]), ("-600,1500", ["+Ww", "-600", "1500"]), ("40,400,SIGMOID", ["+Ww", "40", "400", "+Wfs"]),
    ("40,1,linear", ["+Ww", "40", "1"]), ("1e3,2.5e2,linear", ["+Ww", "1000", "250"])])
def test_a_window_of_the_request(window, options, data_web, tmp_path):
    one = data_web.named("CT_small.dcm")
    ours = image_of(data_web.get(f"{one.url}/rendered?window={window}", Accept="image/png"))
    assert difference(ours, dcm2pnm(one.path, 1, options, tmp_path)) <= 1


# -- parameters --

@pytest.fixture(scope="module")
def ramp(data_web):
    return data_web.named("CT_small.dcm").url, image_of(data_web.get(data_web.named("CT_small.dcm").url + "/rendered", Accept="image/png"))


def test_a_viewport_keeps_the_proportions(data_web, ramp):
    url, _ = ramp  # 128 x 128
    for viewport, size in [("64,64", (64, 64)), ("64,200", (64, 64)), ("300,256", (256, 256)), ("1,1", (1, 1)), ("100,50,0,0,64,128", (25, 50)),
                           ("50,50,,,64", (25, 50)), ("40,80,100,100", (40, 40))]:
        assert image_of(data_web.get(f"{url}/rendered?viewport={viewport}", Accept="image/png")).size == size, viewport


def test_a_region_is_cut_out_and_turned_over(data_web, ramp):
    url, whole = ramp
    get = lambda viewport: image_of(data_web.get(f"{url}/rendered?viewport={viewport}", Accept="image/png"))
    part = whole.crop((30, 20, 80, 60))
    assert difference(get("50,40,30,20,50,40"), part) == 0
    assert difference(get("50,40,30,20,-50,40"), part.transpose(Image.FLIP_LEFT_RIGHT)) == 0
    assert difference(get("50,40,30,20,50,-40"), part.transpose(Image.FLIP_TOP_BOTTOM)) == 0
    assert get("100,100,120,120,100,100").size == (100, 100)  # what lies beyond the edge is left out
    assert difference(get("8,8,120,120,100,100"), whole.crop((120, 120, 128, 128))) == 0
    assert difference(get("64,64"), whole.reduce(2)) <= 1


def test_pixels_that_are_no_squares(data_web):
    """(0028,0034) is 4\\3 or so; the region and the viewport follow."""
    url = data_web.named("color-px.dcm").url
    get = lambda query: image_of(data_web.get(f"{url}/rendered{query}", Accept="image/png")).size
    assert get("") == (256, 160) and get("?viewport=128,128") == (128, 80) and get("?viewport=64,64,0,0,120,90") == (64, 64)


def test_quality_and_media_types(data_web, ramp):
    url, png = ramp
    low, high = (data_web.get(f"{url}/rendered?quality={quality}") for quality in (5, 100))
    assert len(low.body) < len(high.body) / 3
    assert difference(image_of(high, "JPEG"), png) <= 4
    for accept, form in [(None, "JPEG"), ("*/*", "JPEG"), ("image/*", "JPEG"), ("image/png", "PNG"), ("image/jpeg;q=0.5, image/png", "PNG"),
                         ("image/gif, image/png;q=0.1", "PNG"), ("text/html,application/xhtml+xml,image/webp,*/*;q=0.8", "JPEG")]:
        image_of(data_web.get(f"{url}/rendered", **({"Accept": accept} if accept else {})), form)
        if accept:
            image_of(data_web.get(f"{url}/rendered?accept={urllib.parse.quote(accept)}", Accept="text/plain"), form)
    for accept in ("image/gif", "video/mp4", "application/pdf", "application/dicom", "image/jpeg;q=0"):
        assert "image/jpeg, image/png" in data_web.get(f"{url}/rendered", Accept=accept).problem(), accept
        assert data_web.get(f"{url}/rendered", Accept=accept).status == 406


@pytest.mark.parametrize("query, words", [
    ("window=40", "window=40"), ("window=40,0,linear", "window"), ("window=40,400,cubic", "sigmoid"), ("window=a,b,linear", "center"), ("window=40,400,linear,1", "window"),
    ("window=40,nan", "window"), ("window=", "window"), ("viewport=100", "viewport"), ("viewport=0,100", "viewport"), ("viewport=100000,1", "8192"),
    ("viewport=10.5,10", "viewport"), ("viewport=10,10,a", "viewport"), ("viewport=10,10,0,0,0,5", "viewport"), ("viewport=10,10,-5", "viewport"),
    ("viewport=1,2,3,4,5,6,7", "viewport"), ("viewport=10,10,500,500,5,5", "128 columns"), ("quality=0", "quality=0"), ("quality=101", "1 to 100"), ("quality=best", "quality")])
def test_wrong_parameters_are_400(query, words, data_web, ramp):
    for resource in ("rendered", "thumbnail", "frames/1/rendered"):
        answer = data_web.get(f"{ramp[0]}/{resource}?{query}")
        assert answer.status == 400 and words in answer.problem(), (resource, answer.body)


def test_what_is_not_applied_is_told(data_web, ramp):
    for query, told in [("", False), ("?iccprofile=no", False), ("?iccprofile=srgb", True), ("?annotation=patient", True)]:
        answer = data_web.get(ramp[0] + "/rendered" + query)
        assert answer.status == 200 and ("Warning" in answer.headers) == told, query


# -- what there is --

def test_frames_by_number(data_web):
    url = data_web.named("emri_small.dcm").url  # 10 frames
    images = [data_web.get(f"{url}/frames/{n}/rendered?accept=image/png").body for n in range(1, 11)]
    assert len(set(images)) == 10 and data_web.get(f"{url}/rendered?accept=image/png").body == images[0]
    assert image_of(data_web.get(f"{url}/frames/10/thumbnail"), "JPEG").size == (64, 64)
    for frame, status in [("0", 400), ("11", 404), ("1,2", 400), ("x", 400), ("-1", 400), ("4294967297", 400)]:
        answer = data_web.get(f"{url}/frames/{frame}/rendered")
        assert answer.status == status and answer.problem(), frame


def test_no_image_no_rendering(data_web):
    for name, status, words in [("sample-sr.dcm", 404, "no pixel data"), ("parametric_map_float.dcm", 404, "no pixel data"), ("example3.dcm", 406, "frame 1"),
                                ("CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm", 406, "1.2.840.10008.1.2.4.55")]:
        one = data_web.named(name)
        for resource in ("rendered", "thumbnail", "frames/1/rendered", "frames/1/thumbnail"):
            answer = data_web.get(f"{one.url}/{resource}")
            assert answer.status == status and words in answer.problem(), (name, resource, answer.body)
    for level in ("study_url", "series_url", "url"):
        one = data_web.named("sample-sr.dcm")
        assert data_web.get(getattr(one, level) + "/thumbnail").status == 404
    for path in ("/studies/1.2.3", "/studies/1.2.3/series/4", "/studies/1.2.3/series/4/instances/5"):
        assert "in th" in data_web.get(f"/dicom-web{path}/thumbnail").problem()
        assert data_web.get(f"/dicom-web{path}/rendered").status == 404
    assert data_web.get("/dicom-web/studies/1*/thumbnail").status == 400


@pytest.mark.parametrize("root", ["/dicom-web", "/wadors"])
@pytest.mark.parametrize("level", ["study_url", "series_url", "url"])
def test_thumbnails_at_each_level(root, level, data_web):
    for name, size in [("US1_J2KI.dcm", (128, 96)), ("CT_small.dcm", (128, 128)), ("emri_small.dcm", (64, 64))]:
        url = getattr(data_web.named(name), level).replace("/dicom-web", root)
        if level != "study_url":
            assert image_of(data_web.get(url + "/thumbnail"), "JPEG").size == size
        assert max(image_of(data_web.get(url + "/thumbnail?viewport=200,200"), "JPEG").size) == 200
        assert image_of(data_web.get(url + "/rendered"), "JPEG").size >= size


@pytest.mark.parametrize("name", ["RG3_J2KR.dcm", "RG3_J2KI.dcm", "MR2_J2KI.dcm", "US1_J2KI.dcm", "examples_jpeg2k.dcm", "HTJ2KLossless_08_RGB.dcm", "HTJ2K_08_RGB.dcm",
                                  "JPEGExtended_3s_1f_u_08_08.dcm", "SC_rgb_jpeg_dcmtk.dcm"])
def test_small_images_show_what_the_large_ones_do(name, data_web):
    """They are decoded in a smaller size where the code stream has it; of gray images, whose window comes after that, with more to spare."""
    url = data_web.named(name).url
    whole = image_of(data_web.get(url + "/rendered", Accept="image/png"))
    for view in ("thumbnail", "thumbnail?viewport=50,50", f"rendered?viewport=64,64,{whole.width // 4},{whole.height // 8},{whole.width // 2},{whole.height // 2}"):
        small = image_of(data_web.get(f"{url}/{view}", Accept="image/png"))
        x, y = (whole.width // 4, whole.height // 8) if "rendered" in view else (0, 0)
        box = (x, y, x + whole.width // 2, y + whole.height // 2) if "rendered" in view else None
        wanted = whole.resize(small.size, Image.Resampling.BOX, box=box)
        off = ImageStat.Stat(ImageChops.difference(small, wanted)).mean
        assert max(off) < (1 if small.mode == "L" else 4), (view, small.size, off)


def test_the_middle_of_a_series_stands_for_it(stopped_archive, tmp_path):
    """By instance number; what has no image is passed over, before and behind."""
    study, series = uid(), uid()
    web = Web(stopped_archive)
    numbers = [5, 3, 1, 2, 4]
    for number in numbers:
        make_image(tmp_path / f"images/{number}.dcm", columns=10 * number, StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=number)
    for number in range(6):
        make(tmp_path / f"images/sr{number}.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", StudyInstanceUID=study, SeriesNumber=9 - number)
    stopped_archive.manage("data", "index", "-d", tmp_path / "images")
    stopped_archive.start()
    assert image_of(web.get(f"/dicom-web/studies/{study}/series/{series}/rendered"), "JPEG").size == (30, 16)
    assert image_of(web.get(f"/dicom-web/studies/{study}/thumbnail"), "JPEG").size[0] in [10 * number for number in numbers]


def test_a_document_is_its_own_rendering(data_web):
    one = data_web.named("OT000000.dcm")
    document = pydicom.dcmread(one.path).EncapsulatedDocument
    for query, accept in [("", "application/pdf"), ("?accept=application/pdf", "image/jpeg"), ("", "*/*")]:
        answer = data_web.get(f"{one.url}/rendered{query}", Accept=accept)
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/pdf"
        assert answer.body.startswith(b"%PDF") and answer.body.rstrip(b"\0") == document.rstrip(b"\0")
    assert "application/pdf" in data_web.get(one.url + "/rendered", Accept="image/jpeg").problem()
    assert data_web.get(one.url + "/thumbnail").status == 404


@pytest.mark.parametrize("name, media", [("video_h264_hp41.dcm", "video/mp4"), ("video_hevc_mp51.dcm", "video/mp4"), ("video_mpeg2_mpml.dcm", "video/mpeg")])
def test_a_video_is_handed_out_as_it_is_stored(name, media, data_web):
    one = data_web.named(name)
    stream = b"".join(generate_pixel_data_frame(pydicom.dcmread(one.path).PixelData, 1))
    for accept in (media, "*/*", "video/*"):
        answer = data_web.get(one.url + "/rendered", Accept=accept)
        assert answer.status == 200 and answer.headers["Content-Type"].split(";")[0] == media and answer.body == stream
    part = data_web.get(one.url + "/rendered", Accept=media, Range="bytes=100-199")
    assert part.status == 206 and part.body == stream[100:200]
    assert data_web.get(one.url + "/rendered", Accept=media, If_None_Match=answer.headers["ETag"]).status == 304
    parts = data_web.get(one.url + "/rendered", Accept=f'multipart/related; type="{media}"').parts(media)
    assert [one.body for one in parts] == [stream]
    assert media in data_web.get(one.url + "/rendered", Accept="image/jpeg").problem()
    for resource in ("thumbnail", "frames/1/rendered"):
        answer = data_web.get(f"{one.url}/{resource}")
        assert answer.status == 406 and "video" in answer.problem()


# -- caches --

def test_what_the_client_has_is_not_sent_again(data_web, ramp):
    url = ramp[0] + "/thumbnail"
    first = data_web.get(url)
    tag = first.headers["ETag"]
    assert first.headers["Vary"] and data_web.get(url, If_None_Match=tag).status == 304 and not data_web.get(url, If_None_Match=tag).body
    others = [url + "?window=40,400,linear", url + "?window=40.0000001,400,linear", url + "?viewport=128,128", url + "?quality=89", ramp[0] + "/rendered"]
    assert len({tag, data_web.get(url, Accept="image/png").headers["ETag"], *(data_web.get(other).headers["ETag"] for other in others)}) == 7
    head = data_web.ask("HEAD", url)
    assert head.status == 200 and head.headers["ETag"] == tag and int(head.headers["Content-Length"]) == len(first.body)


def test_many_ask_for_the_same_at_once(data_web):
    url = data_web.named("RG3_J2KI.dcm").url + "/thumbnail?viewport=90,90"
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: data_web.get(url), range(48)))
    assert {answer.status for answer in answers} == {200} and len({answer.body for answer in answers}) == 1


# -- WADO-URI --

def uri(one, **parameters):
    return "/wado?" + urllib.parse.urlencode({"requestType": "WADO", "studyUID": one.study, "seriesUID": one.series, "objectUID": one.instance, **parameters})


def test_images_by_wado_uri(data_web, ramp):
    one, png = data_web.named("CT_small.dcm"), {"contentType": "image/png"}
    get = lambda **more: image_of(data_web.get(uri(one, **{**png, **more})))
    rendered = lambda query: image_of(data_web.get(f"{one.url}/rendered?{query}", Accept="image/png"))
    assert difference(get(), ramp[1]) == 0
    image_of(data_web.get(uri(one, contentType="image/jpeg"), Accept="image/png"), "JPEG")
    assert difference(get(windowCenter=40, windowWidth=400), rendered("window=40,400,linear")) == 0
    assert get(rows=50).size == get(columns=50).size == get(rows=50, columns=80).size == (50, 50)
    assert difference(get(region="0.25,0.5,0.75,1", rows=64, columns=64), ramp[1].crop((32, 64, 96, 128))) == 0
    assert len(data_web.get(uri(one, contentType="image/jpeg", imageQuality=5)).body) < len(data_web.get(uri(one, contentType="image/jpeg")).body)
    many = data_web.named("emri_small.dcm")
    assert data_web.get(uri(many, frameNumber=7, **png)).body == data_web.get(many.url + "/frames/7/rendered", Accept="image/png").body
    assert data_web.get(uri(many, frameNumber=11, **png)).status == 404
    assert "Warning" in data_web.get(uri(one, presentationUID="1.2.3", **png)).headers
    assert data_web.get(uri(data_web.named("OT000000.dcm"), contentType="application/pdf")).body.startswith(b"%PDF")
    assert data_web.get(uri(data_web.named("video_h264_hp41.dcm"), contentType="video/mp4")).status == 200
    assert data_web.get(uri(one, contentType="application/dicom")).body[128:132] == b"DICM"


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm", "CT_small.dcm"])
def test_what_is_handed_out_is_a_dicom_file(name, data_web):
    """Also where the object was indexed in place without a head."""
    one = data_web.named(name)
    for answer in (data_web.get(uri(one, transferSyntax="*")), data_web.get(one.url, Accept="application/dicom; transfer-syntax=*")):
        ds = pydicom.dcmread(io.BytesIO(answer.body))
        assert ds.file_meta.TransferSyntaxUID == one.syntax and ds.SOPInstanceUID == one.instance


@pytest.mark.parametrize("wrong, status", [
    ({"rows": 0}, 400), ({"columns": "wide"}, 400), ({"windowCenter": 1}, 400), ({"windowWidth": 1}, 400), ({"windowCenter": "a", "windowWidth": 5}, 400),
    ({"region": "0,0,1"}, 400), ({"region": "0.5,0,0.5,1"}, 400), ({"region": "0,0,2,2"}, 400), ({"imageQuality": 0}, 400), ({"frameNumber": 0}, 400),
    ({"frameNumber": 2}, 404), ({"contentType": "image/gif"}, 406), ({"contentType": "text/plain"}, 406),
    ({"anonymize": "yes"}, 406), ({"anonymize": "yes", "contentType": "application/dicom"}, 406), ({"anonymize": "", "contentType": ""}, 406)])
def test_wado_uri_refuses_what_is_wrong(wrong, status, data_web):
    answer = data_web.get(uri(data_web.named("CT_small.dcm"), **{"contentType": "image/jpeg", **wrong}))
    assert answer.status == status and answer.problem()
